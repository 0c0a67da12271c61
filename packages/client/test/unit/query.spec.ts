import { expect } from 'chai'
import { create, heddle } from '@heddle/proto'
import { ClientError } from '../../src/index.ts'
import { queryNetwork } from '../../src/query.ts'
import type { NetworkClient, ValidatorClient } from '../../src/index.ts'

/** A client of validators that say this, at height 5; a promise is what one says later. */
function clientOf(...said: (string | undefined | Promise<never>)[]): NetworkClient {
  const validators = said.map((each, index): Partial<ValidatorClient> => ({
    name: `validator${index}`,
    get: async () => {
      const value = await each
      return create(heddle.GetReplySchema, {
        height: 5n,
        found: value !== undefined,
        value: Buffer.from(value ?? ''),
      })
    },
  }))
  return { validators } as unknown as NetworkClient
}

const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString()

const never = new Promise<never>(() => undefined)
const down = (): Promise<never> => Promise.reject(new Error('validator3: no connection'))

describe('queryNetwork', () => {
  it('takes what f + 1 validators say, and names them', async () => {
    const { value, validators } = await queryNetwork(
      clientOf('lie', '7', down(), '7'),
      'accounts',
      'a',
    )
    expect([text(value), validators]).to.deep.equal(['7', ['validator1', 'validator3']])
  })

  it('waits for none that is frozen, once f + 1 agree', async () => {
    expect(
      text((await queryNetwork(clientOf(never, '7', '7', never), 'accounts', 'a')).value),
    ).to.equal('7')
    const none = await queryNetwork(clientOf(never, undefined, undefined, '7'), 'accounts', 'a')
    expect(none.value).to.equal(undefined)
  })

  it('believes nobody alone, and says what each of them said', async () => {
    for (const answers of [['1', '2', '3', '4'] as const, ['1', down(), down(), down()] as const]) {
      const failure: unknown = await queryNetwork(clientOf(...answers), 'accounts', 'a').catch(
        (error: unknown) => error,
      )
      expect(failure).to.be.instanceOf(ClientError).and.include({ code: 'CLIENT_NO_AGREEMENT' })
      expect(String(failure)).to.include('no 2 of 4 validators gave the same answer')
      expect(String(failure)).to.include('validator0: an answer that too few gave, at height 5')
    }
  })

  it('says that the client is refused when f + 1 validators refuse it, and believes no one alone', async () => {
    const refusal = new ClientError('CLIENT_FORBIDDEN', 'validator0 refuses the client')
    const refusing = (): Promise<never> => Promise.reject(refusal)
    const failureOf = (...said: (string | Promise<never>)[]): Promise<unknown> =>
      queryNetwork(clientOf(...said), 'accounts', 'a').catch((error: unknown) => error)
    expect(await failureOf(refusing(), '1', refusing(), down())).to.equal(refusal)
    const one = await failureOf(refusing(), '1', '2', '3')
    expect(one).to.include({ code: 'CLIENT_NO_AGREEMENT' })
  })
})

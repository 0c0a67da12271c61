import { expect } from 'chai'
import { MemoryChain, chainCases } from '../../src/testing.ts'
import { authorizeByPolicy } from '../../src/index.ts'
import { common, decode } from '@heddle/proto'
import { organization, testRules } from '../harness.ts'

describe('MemoryChain', () => {
  const setup = (): Promise<{ chain: MemoryChain }> =>
    Promise.resolve({ chain: new MemoryChain({ channelId: 'ch' }) })
  for (const { name, run } of chainCases(setup)) it(name, run)

  it('cuts blocks of at most the batch size', async () => {
    const chain = new MemoryChain({ channelId: 'ch', batchSize: 4 })
    chain.hold()
    const submitted = [...Array(9).keys()].map((index) =>
      chain.submit({ message: undefined as never, bytes: Uint8Array.of(index) }),
    )
    chain.release()
    await Promise.all(submitted)
    const sizes: number[] = []
    for (let number = 0n; number < chain.height(); number++) {
      sizes.push(decode(common.BlockSchema, (await chain.block(number))!).data!.data.length)
    }
    expect(sizes).to.deep.equal([4, 4, 1])
  })
})

describe('authorizeByPolicy', function () {
  this.timeout(30_000) // a loaded machine takes its time

  const data = Buffer.from('payload')
  const outcome = async (
    action: 'read' | 'write',
    signer: { serialized: Uint8Array; sign(message: Uint8Array): Uint8Array },
    signature = signer.sign(data),
  ): Promise<unknown> =>
    authorizeByPolicy(await testRules(), action, {
      identity: signer.serialized,
      data,
      signature,
    }).catch((error: unknown) => error)

  it('lets members read and clients write, until their certificate ends', async () => {
    const org = await organization()
    const client = await org.identity('client', 'client')
    for (const action of ['read', 'write'] as const) {
      expect(await outcome(action, client), action).to.deep.equal({ expiresAt: client.expiresAt })
    }
  })

  it('leaves it to the server to look at the end of a certificate', async () => {
    const expired = await (await organization()).variant('expired', 'expired')
    const { expiresAt } = (await outcome('write', expired)) as { expiresAt: Date }
    expect(expiresAt.getTime()).to.be.lessThan(Date.now())
  })

  it('refuses strangers, wrong signatures and garbage', async () => {
    const org = await organization()
    const client = await org.identity('client', 'client')
    const stranger = await org.variant('stranger', 'other-ca')
    const forbidden = [
      outcome('read', stranger),
      outcome('write', stranger),
      outcome('read', client, Buffer.from('wrong')),
      outcome('write', { serialized: Buffer.from('garbage'), sign: () => data }),
    ]
    for (const [index, error] of (await Promise.all(forbidden)).entries()) {
      expect(error, `case ${index}`).to.have.property('code', 'ORDERER_FORBIDDEN')
    }
  })
})

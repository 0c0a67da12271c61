import { expect } from 'chai'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClientError, connect } from '../../src/index.ts'
import { SignedNetwork } from '../support/signed-network.ts'
import type { AddressSource, NetworkSource } from '../../src/index.ts'

const failureOf = (source: NetworkSource): Promise<unknown> =>
  connect(source).catch((error: unknown) => error)

describe('connect', () => {
  let source: AddressSource
  let folder = ''
  before(async () => {
    const { genesis, signer, tls } = (await SignedNetwork.make()).client()
    const validators = [0, 1, 2, 3].map((id) => ({ address: `localhost:${id + 1}`, roots: [] }))
    source = { validators, genesis, signer, tls }
    folder = await mkdtemp(join(tmpdir(), 'heddle-client-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('reaches nobody before something is asked, and nobody when it is closed', async () => {
    await using network = await connect(source)
    expect(network.channelId).to.equal('testchannel')
    await network.close()
    expect(await network.query('records', 'a').catch((error: unknown) => error)).to.include({
      code: 'CLIENT_CLOSED',
    })
  })

  it('wants all validators, each once: how many may lie follows from their number', async () => {
    const { validators } = source
    for (const [wrong, why] of [
      [validators.slice(1), 'validators: 3 are named; the genesis block has 4'],
      [[...validators.slice(1), validators[1]!], 'validators: localhost:2 is named twice'],
    ] as const) {
      const failure = await failureOf({ ...source, validators: wrong })
      expect(failure).to.be.instanceOf(ClientError)
      expect(failure).to.include({ code: 'CLIENT_INVALID_OPTIONS', message: why })
    }
  })

  it('refuses a genesis block that is none, and options that there are not', async () => {
    const genesis = await failureOf({ ...source, genesis: Buffer.from('none') })
    expect(genesis).to.include({ code: 'CLIENT_INVALID_OPTIONS' })
    expect(String(genesis)).to.match(/genesis: /)
    const mistyped = await failureOf({ ...source, validator: [] } as unknown as AddressSource)
    expect(String(mistyped)).to.match(/there is no option validator \(did you mean validators\?\)/)
  })

  it('says that a folder has no network, or a descriptor that cannot be read', async () => {
    expect(await failureOf({ folder })).to.include({ code: 'CLIENT_NO_NETWORK' })
    await writeFile(join(folder, 'network.json'), '{')
    expect(await failureOf({ folder })).to.include({ code: 'CLIENT_INVALID_DESCRIPTOR' })
  })
})

import { createPrivateKey } from 'node:crypto'
import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { createTestOrganization } from '@heddle/msp/testing'
import {
  type ClientTls,
  DeliverError,
  type Endpoint,
  createBroadcastClient,
  createDeliverService,
  pullBlocks,
  tlsCertificateHash,
} from '../../src/index.ts'
import { MemoryStore } from '../../src/testing.ts'
import { channel, channelId, honest, impatient, stopAll } from '../network.ts'

type Make = (tls: ClientTls, endpoints: readonly Endpoint[]) => Promise<unknown>

/** Everything of this package that takes TLS material. */
const makers: Record<string, Make> = {
  pullBlocks: async (tls, endpoints) => {
    const { client: signer, genesis: configBlock } = await channel()
    return pullBlocks({ signer, clock: systemClock }, { channelId, configBlock, endpoints, tls })
  },
  createDeliverService: async (tls, endpoints) => {
    const { client: signer, genesis: configBlock } = await channel()
    const store = new MemoryStore()
    const deps = { signer, clock: systemClock, ledger: store, sink: store }
    return createDeliverService(deps, { channelId, configBlock, endpoints, tls })
  },
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws shall reject
  createBroadcastClient: async (tls, endpoints) =>
    createBroadcastClient({ clock: systemClock }, { endpoints, tls }),
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    expect(error).to.be.instanceOf(DeliverError).with.property('code', 'DELIVER_INVALID_OPTIONS')
    return (error as Error).message
  }
  return 'made'
}

async function pulled(endpoint: Endpoint, tls?: ClientTls): Promise<bigint[]> {
  const { client, genesis, clientTls } = await channel()
  const numbers: bigint[] = []
  for await (const { message } of pullBlocks(
    { signer: client, clock: systemClock },
    {
      channelId,
      configBlock: genesis,
      endpoints: [endpoint],
      tls: tls ?? clientTls,
      maxFailures: 1,
      ...impatient,
    },
  )) {
    numbers.push(message.header!.number)
  }
  return numbers
}

describe('TLS material of a client', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  for (const [name, make] of Object.entries(makers)) {
    it(`is refused by ${name} when it is made: which part, what is wrong, what to do`, async () => {
      const { org, clientTls: good, serverTls } = await channel()
      const { key: otherKey } = await org.tls('other')
      const cipher = { cipher: 'aes-256-cbc', passphrase: 'secret' }
      const encrypted = createPrivateKey(good.key)
        .export({ type: 'pkcs8', format: 'pem', ...cipher })
        .toString()
      const to = (roots: readonly string[]) => [{ address: 'orderer1:7050', roots }]
      const mine = to(serverTls.roots)
      const cases: [ClientTls, readonly Endpoint[], RegExp][] = [
        [{ ...good, key: otherKey }, mine, /^tls\.key is not the key of tls\.certificate/],
        [{ ...good, key: encrypted }, mine, /^tls\.key is encrypted: decrypt it/],
        [{ certificate: 'hello', key: 'hello' }, mine, /^tls\.certificate holds no PEM: give/],
        [good, to(['not pem']), /^orderer1:7050: roots\[0\] holds no PEM: give/],
        [good, to([...serverTls.roots, '']), /^orderer1:7050: roots\[1\] is empty: give/],
      ]
      for (const [tls, endpoints, message] of cases) {
        expect(await refusal(make(tls, endpoints))).to.match(message)
      }
      expect(await refusal(make(good, mine))).to.equal('made')
    })
  }

  it('is refused where its hash is asked for', async () => {
    const { clientTls } = await channel()
    expect(tlsCertificateHash(clientTls)).to.have.length(32)
    expect(() => tlsCertificateHash({ ...clientTls, key: 'x' })).to.throw('tls.key holds no PEM')
  })

  it('connects with roots that are joined without a newline, or end their lines in CRLF', async () => {
    const { endpoint } = await honest()
    const { tlsCa } = await createTestOrganization({ mspId: 'Other' })
    const [own] = endpoint.roots.map(String)
    const other = tlsCa.certificate.trimEnd()
    for (const roots of [
      [other, own!.trimEnd()],
      [own!.trimEnd(), other],
      [other + own!],
      [own!.replaceAll('\n', '\r\n')],
    ]) {
      expect(await pulled({ ...endpoint, roots })).to.deep.equal([0n])
    }
  })

  it('connects when one side or both trust no more than the intermediate authority', async () => {
    const { org } = await channel()
    const ica = await org.tlsIntermediate()
    const [server, client] = [await ica.tls('orderer'), await ica.tls('client')]
    const { endpoint } = await honest({ server: { tls: server } })
    const trusting = { ...endpoint, roots: [ica.certificate] }
    expect(await pulled(trusting, client)).to.deep.equal([0n])
    // Whoever the same root issued directly is not below the intermediate.
    const { clientTls } = await channel()
    const error = await pulled(trusting, clientTls).catch((thrown: unknown) => thrown)
    expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
    expect(error)
      .to.have.property('message')
      .that.matches(/wants a client certificate from an auth/)
  })
})

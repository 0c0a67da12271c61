// Fabric's Broadcast and Deliver services, over mutual TLS, in front of a chain of our own with a
// rule of our own: an organisation that has used its quota is refused, also after a restart.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StatusError, createBroadcastClient, pullBlocks, signedEnvelope } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { createOrdererServer } from '@heddle/orderer'
import type { OrdererServer } from '@heddle/orderer'
import { common } from '@heddle/proto'
import { createOrganization, genesisBlock } from './channel.ts'
import type { Organization } from './channel.ts'
import { MeteredChain } from './metered-chain.ts'

const dir = await mkdtemp(join(tmpdir(), 'own-orderer-'))
process.exitCode = 1 // until the end is reached
const channelId = 'metered'
const quota = 10

// 1. Who orders, who uses the channel, and the genesis block that says so.
const operator = await createOrganization(dir, 'Operator', 'orderer')
const acme = await createOrganization(dir, 'Acme', 'client')
const zenith = await createOrganization(dir, 'Zenith', 'client')
const genesis = genesisBlock(channelId, operator, [acme, zenith])

// 2. The services over our chain: a code of ours, and the status that clients see.
async function serve(): Promise<{ chain: MeteredChain; server: OrdererServer }> {
  const chain = await MeteredChain.open({
    dir: join(dir, 'ledger'),
    genesis,
    signer: operator.signer,
    quota,
  })
  const { certificate, key } = operator.tls
  const roots = [acme.tls.root, zenith.tls.root]
  const server = createOrdererServer(
    { chains: (id) => (id === channelId ? chain : undefined), clock: systemClock },
    {
      listen: { host: 'localhost', port: 0 },
      tls: { certificate, key, roots },
      statuses: { METERED_QUOTA_USED: common.Status.FORBIDDEN },
    },
  )
  await server.start()
  return { chain, server }
}
let { chain, server } = await serve()

/** Where blocks and envelopes go to and come from; any client of Fabric's orderers will do. */
const endpoints = () => [{ address: server.address ?? '', roots: [operator.tls.root] }]

const envelopeOf = async ({ signer }: Organization, text: string): Promise<Uint8Array> => {
  const type = common.HeaderType.MESSAGE
  const data = Buffer.from(text)
  return (await signedEnvelope({ channelId, type, data, signer, clock: systemClock })).bytes
}

/** Sends envelopes of `from` on one stream. @returns the status of each */
async function broadcast(from: Organization, envelopes: readonly Uint8Array[]): Promise<string[]> {
  const client = createBroadcastClient(
    { clock: systemClock },
    { endpoints: endpoints(), tls: from.tls },
  )
  await client.start()
  const results = await Promise.allSettled(envelopes.map((bytes) => client.submit(bytes)))
  await client.stop()
  return results.map((result) => {
    if (result.status === 'fulfilled') return 'SUCCESS'
    assert.ok(result.reason instanceof StatusError, String(result.reason))
    return common.Status[result.reason.status]
  })
}

// 3. Acme wants more than it may have; Zenith is not held up by that.
const texts = Array.from({ length: 12 }, (_, n) => `order ${n}`)
const ofAcme = await Promise.all(texts.map((text) => envelopeOf(acme, text)))
const ofZenith = await Promise.all(texts.slice(0, 5).map((text) => envelopeOf(zenith, text)))
const answers = await Promise.all([broadcast(acme, ofAcme), broadcast(zenith, ofZenith)])
const [success, refused] = ['SUCCESS', 'FORBIDDEN'] as const
// Envelopes of one stream are checked side by side: which of them come too late is open.
const ordered = ofAcme.filter((_, n) => answers[0][n] === success)
assert.deepEqual([...answers[0]].sort(), [refused, refused, ...Array<string>(10).fill(success)])
assert.deepEqual(answers[1], Array<string>(5).fill(success))
console.log('12 envelopes of Acme: 10 ordered, 2 refused; 5 of Zenith: all ordered')

// 4. Another life of the service, on the same disk: the quota is still used up, and an envelope
// that is sent again, because its answer was lost, is not ordered again.
await server.stop()
await chain.close()
;({ chain, server } = await serve())
const again = await broadcast(acme, [ordered[0]!, await envelopeOf(acme, 'one more')])
assert.deepEqual(again, [success, refused])
assert.deepEqual([chain.quota.used('AcmeMSP'), chain.quota.used('ZenithMSP')], [10, 5])
console.log('after a restart: the first one again SUCCESS, a new one FORBIDDEN')

// 5. Anybody who has the genesis block verifies every block: hashes, and the consenter's signature.
const taken: Buffer[] = []
const pulled = pullBlocks(
  { signer: zenith.signer, clock: systemClock },
  { channelId, configBlock: genesis, endpoints: endpoints(), tls: zenith.tls, from: 1n },
)
for await (const { message } of pulled)
  taken.push(...message.data!.data.map((bytes) => Buffer.from(bytes)))
const hex = (all: readonly Uint8Array[]): string[] =>
  all.map((each) => Buffer.from(each).toString('hex'))
assert.deepEqual(hex(taken).sort(), hex([...ordered, ...ofZenith]).sort())
console.log(`${taken.length} envelopes in ${chain.height() - 1n} verified blocks, each once`)

await server.stop()
await chain.close()
await rm(dir, { recursive: true })
process.exitCode = 0
console.log('all of it held')

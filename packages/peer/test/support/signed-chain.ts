import { systemClock } from '@heddle/events'
import { createOrdererServer, signBlock } from '@heddle/orderer'
import { blockHeaderHash, common, receive } from '@heddle/proto'
import { buildCandidate, encodeCandidate } from '../../src/engine/candidate.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { rulesWrite } from '../../src/rules/in-force.ts'
import { newestRules, rulesOf } from '../../src/rules/known-rules.ts'
import { channelId, testChannel, testMembers, transaction } from './channel.ts'
import { noOffers } from './offers.ts'
import type { NetworkClient } from '@heddle/client'
import type { Chain, OrdererServer } from '@heddle/orderer'
import type { Received } from '@heddle/proto'
import type { ChainTip } from '../../src/engine/candidate.ts'
import type { StateView } from '../../src/rules/state-view.ts'
import type { ReplayDeps } from '../../src/engine/replay.ts'
import type { TestChannel } from './channel.ts'

/** A genesis block and the one after it, signed by three of four, as their quorum made them. */
export interface SignedChain {
  readonly channel: TestChannel
  readonly block: Received<common.Block>
  /** What the block was executed on. */
  readonly deps: ReplayDeps
}

/** A state in which rules of this number are in force, and alice has 100. */
function stateBy(number: number): StateView {
  const { namespace, key, value } = rulesWrite(number)
  return {
    get(of, name) {
      if (of === namespace && name === key) return number === 1 ? undefined : value
      return of === 'accounts' && name === 'alice' ? encodeBalance(100n) : undefined
    },
  }
}

/** The end of a chain that has only this genesis block. */
function genesisTip({ block }: TestChannel): ChainTip {
  const headerHash = blockHeaderHash(block.header!)
  return { height: 1n, headerHash, sequence: 0n, stateDigest: Buffer.alloc(32, 2) }
}

/** Executes a batch as a quorum of three would, and signs the block for them. */
async function signedBlock(deps: ReplayDeps, rules: number, envelopes: readonly Uint8Array[]) {
  const { validators } = await testMembers()
  const sequence = deps.before.sequence + 1n
  const made = buildCandidate(
    { ...deps, rules: rulesOf(rules, deps.before.height) },
    { sequence, envelopes },
  )
  const signatures = await Promise.all(
    validators.slice(0, 3).map((signer, index) => signBlock(made, index + 1, signer)),
  )
  return { bytes: Uint8Array.from(encodeCandidate(made, signatures)), tip: made.tip }
}

/** Makes a block of an accepted and two rejected transactions, by rules of this number. */
export async function signedChain(rules: number): Promise<SignedChain> {
  const channel = await testChannel(4, rules)
  const { client } = await testMembers()
  const before = genesisTip(channel)
  const deps = { before, state: stateBy(rules), reader: new TransactionReader(), offers: noOffers }
  const overdraft = { contract: 'accounts', input: '{"from":"alice","to":"bob","amount":101}' }
  const envelopes = [{}, { input: '{bad}' }, overdraft].map((init) => transaction(client, init))
  const { bytes } = await signedBlock(deps, rules, envelopes)
  return { channel, deps, block: receive(common.BlockSchema, bytes) }
}

/** The genesis block and `count` others of one transaction each, by the newest rules. */
export async function signedBlocks(count: number): Promise<Uint8Array[]> {
  const channel = await testChannel(4)
  const { client } = await testMembers()
  const parts = { state: stateBy(newestRules), reader: new TransactionReader(), offers: noOffers }
  const blocks = [channel.genesis]
  let before = genesisTip(channel)
  for (let number = 0; number < count; number++) {
    const made = await signedBlock({ ...parts, before }, newestRules, [transaction(client)])
    blocks.push(made.bytes)
    before = made.tip
  }
  return blocks
}

/** A Deliver service of the test channel over blocks that may differ each time they are asked for. */
export async function serveBlocks(
  block: (number: bigint) => Uint8Array | undefined,
): Promise<OrdererServer> {
  const { ordering, clients } = await testMembers()
  const [own, theirs] = await Promise.all([ordering.tls('validator0'), clients.tls('client')])
  const chain: Chain = {
    channelId,
    configSequence: 0n,
    height: () => 2n,
    block: (number) => Promise.resolve(block(number)),
    async *follow(from, { signal } = {}) {
      for (let number = from; number < 2n; number++) yield block(number)!
      await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
    },
    authorize: () => Promise.resolve({}),
    submit: () => Promise.reject(new Error('takes no envelopes')),
  }
  const server = createOrdererServer(
    { chains: () => chain, clock: systemClock },
    {
      listen: { host: 'localhost', port: 0 },
      tls: { ...own, roots: [...own.roots, ...theirs.roots] },
    },
  )
  await server.start()
  return server
}

/** A client of the test channel that knows these services. */
export async function clientOf(
  servers: readonly OrdererServer[],
  genesis: Uint8Array,
): Promise<NetworkClient> {
  const { ordering, clients, client: signer } = await testMembers()
  const [own, tls] = await Promise.all([ordering.tls('validator0'), clients.tls('client')])
  return {
    channelId,
    genesis: Buffer.from(genesis),
    signer,
    tls: { certificate: Buffer.from(tls.certificate), key: Buffer.from(tls.key) },
    endpoints: servers.map(({ address }) => ({ address: address ?? '', roots: own.roots })),
    validators: [],
    close: () => undefined,
  }
}

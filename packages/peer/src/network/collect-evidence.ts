import { createHash } from 'node:crypto'
import { pause } from '@heddle/events'
import { common, decode } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { genesisWrites } from '../node/genesis-state.ts'
import { stateNamespaces } from '../rules/known-rules.ts'
import { unfitNamespace } from '../rules/rules-1/unfit-keys.ts'
import { accountsContract, decodeBalance } from '../rules/rules-2/accounts.ts'
import { recordsContract } from '../rules/rules-2/records.ts'
import { digestOf } from './line-transaction.ts'
import type { Hash } from 'node:crypto'
import type { ChainFollower, NetworkClient, ValidatorClient } from '@heddle/client'
import type { Clock } from '@heddle/interface'
import type { Evidence, ValidatorEvidence } from './proof.ts'
import type { Submissions } from './submissions.ts'

/** How long validators may take to be level when nothing is submitted any more. */
const levelTimeoutMs = 30_000
const pollMs = 200

/** How long it is tried again while others submit, in milliseconds. */
const quietTimeoutMs = 30_000
/** A digest over a large state takes time. */
const statusTimeoutMs = 20_000

/** What a client read of the state of one validator. */
interface DownloadedState {
  /** As `contentDigest` of @heddle/ledger: over all entries in order. */
  readonly digest: string
  readonly accounts: bigint
  readonly records: ReadonlyMap<string, string>
}

/** Namespaces in the order in which the state store keeps them. */
const namespaces = [...stateNamespaces].sort()

/** Where there is money. */
const purses = [accountsContract, unfitNamespace(accountsContract)]

function hashField(hash: Hash, bytes: Uint8Array): void {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  hash.update(length).update(bytes)
}

/** Reads the whole state of one validator and digests it. */
async function download(
  validator: ValidatorClient,
  wanted: ReadonlySet<string>,
): Promise<DownloadedState> {
  const hash = createHash('sha256')
  const records = new Map<string, string>()
  let accounts = 0n
  for (const namespace of namespaces) {
    for await (const { key, value } of validator.entries(namespace)) {
      hashField(hash, Buffer.from(`${namespace}\0${key}`))
      hashField(hash, value)
      if (purses.includes(namespace)) accounts += decodeBalance(value)
      if (namespace === recordsContract && wanted.has(key)) records.set(key, digestOf(value))
    }
  }
  return { digest: hash.digest('hex'), accounts, records }
}

async function evidenceOf(validator: ValidatorClient): Promise<ValidatorEvidence | undefined> {
  try {
    const status = await validator.status({ contentDigest: true, timeoutMs: statusTimeoutMs })
    if (status.stateHeight !== status.height) return undefined
    return {
      name: validator.name,
      height: status.height,
      lastBlockHash: Buffer.from(status.lastBlockHash).toString('hex'),
      contentDigest: Buffer.from(status.contentDigest).toString('hex'),
    }
  } catch {
    return undefined
  }
}

/** Waits until every validator is where the followed chain ends; gives up after a while. */
async function level(
  { client, follower, clock }: EvidenceDeps,
  signal: AbortSignal,
): Promise<Evidence['validators']> {
  const end = clock.now() + levelTimeoutMs
  for (;;) {
    signal.throwIfAborted()
    const evidence = await Promise.all(
      client.validators.map(async (each) => ({
        name: each.name,
        evidence: await evidenceOf(each),
      })),
    )
    const done = evidence.every((each) => each.evidence?.height === follower.height)
    if (done || clock.now() > end) return evidence
    await pause(clock, pollMs, signal)
  }
}

async function downloadFromAny(
  client: NetworkClient,
  wanted: ReadonlySet<string>,
): Promise<DownloadedState> {
  let failure: unknown
  for (const validator of client.validators) {
    try {
      return await download(validator, wanted)
    } catch (error) {
      failure = error
    }
  }
  throw new PeerError('PEER_PROOF_FAILED', 'no validator gave out its state', { cause: failure })
}

/** Sum of the accounts that the genesis block begins with. */
export function genesisTotal(genesis: Uint8Array): bigint {
  const writes = genesisWrites(decode(common.BlockSchema, genesis))
  return writes.reduce(
    (sum, { namespace, value }) =>
      namespace === accountsContract && value !== undefined ? sum + decodeBalance(value) : sum,
    0n,
  )
}

/** Whether a validator says that blocks came after those: what was read of the state is of no use. */
async function hasMoved(client: NetworkClient, height: bigint): Promise<boolean> {
  const isBeyond = client.validators.map((each) =>
    each.status({ timeoutMs: statusTimeoutMs }).then(
      (status) => status.height > height,
      () => false,
    ),
  )
  return (await Promise.all(isBeyond)).includes(true)
}

interface EvidenceDeps {
  readonly client: NetworkClient
  readonly follower: Pick<ChainFollower, 'height' | 'lastHash'>
  readonly submissions: Submissions
  readonly clock: Clock
}

/**
 * Gathers what `prove` judges, when all transactions of a run stand in the chain; again, when blocks of
 * others came meanwhile.
 *
 * @throws {PeerError} PEER_PROOF_FAILED
 */
export async function collectEvidence(deps: EvidenceDeps, signal: AbortSignal): Promise<Evidence> {
  const { client, clock } = deps
  const end = clock.now() + quietTimeoutMs
  for (;;) {
    const validators = await level(deps, signal)
    const { height } = deps.follower
    const isUseful = async (): Promise<boolean> =>
      clock.now() > end || !(await hasMoved(client, height))
    try {
      const evidence = await readState(deps, validators)
      if (await isUseful()) return evidence
    } catch (error) {
      if (await isUseful()) throw error
    }
  }
}

async function readState(
  { client, follower, submissions }: EvidenceDeps,
  validators: Evidence['validators'],
): Promise<Evidence> {
  const wanted = new Set<string>()
  for (const { submission } of submissions.all()) {
    if (submission.record !== undefined) wanted.add(submission.record.key)
  }
  const state = await downloadFromAny(client, wanted)
  return {
    validators,
    followedHash: follower.lastHash,
    downloadedDigest: state.digest,
    accountsBefore: genesisTotal(client.genesis),
    accountsAfter: state.accounts,
    records: state.records,
    submissions,
  }
}

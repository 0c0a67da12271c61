import type { Clock, Logger, Metrics } from '@heddle/interface'
import { OrdererError } from './errors.ts'
import { assertAtLeastOne, refuseUnknown } from './options.ts'
import type {
  BlockSignatureVerifier,
  BlockSigner,
  SignatureArchive,
  SignatureNetwork,
} from './ports.ts'

/** What a `BlockSignatureCollector` works with. */
export interface SignatureCollectorDeps {
  readonly network: SignatureNetwork
  readonly signer: BlockSigner
  readonly verifier: BlockSignatureVerifier
  readonly archive: SignatureArchive
  readonly clock: Clock
  readonly logger?: Logger
  readonly metrics?: Metrics
}

/** Settings of a `BlockSignatureCollector`. */
export interface SignatureCollectorOptions {
  readonly channelId: string
  /** This consenter's id in the channel's `consenter_mapping`. */
  readonly self: number
  /** The ids of all consenters, this one included. */
  readonly consenters: readonly number[]
  /** Number of the first block that will be collected: the ledger's height. Default 0. */
  readonly nextBlock?: bigint
  /** For how many blocks ahead signatures of others are kept. Default 256. */
  readonly window?: number
  /** How many blocks may collect at a time. Default 1,024. */
  readonly maxOpenBlocks?: number
  /** How often the own signature of an incomplete block is sent again. Default 500 ms. */
  readonly resendIntervalMs?: number
  /** For how many of the incomplete blocks, oldest first, at each such time. Default 64. */
  readonly maxResends?: number
  /** For how many of the blocks completed last requests are answered from memory. Default 256. */
  readonly maxRecentBlocks?: number
  /** How many older blocks are read at a time for each other consenter; more requests are dropped. Default 8. */
  readonly maxAnswersInFlight?: number
}

const known: Readonly<Record<keyof SignatureCollectorOptions, true>> = {
  ...{ channelId: true, self: true, consenters: true, nextBlock: true, window: true },
  ...{ maxOpenBlocks: true, resendIntervalMs: true, maxResends: true, maxAnswersInFlight: true },
  ...{ maxRecentBlocks: true },
}

/**
 * Fills in the defaults and checks names and ranges.
 *
 * @throws {OrdererError} ORDERER_INVALID_OPTIONS
 */
export function resolveCollectorOptions(
  options: SignatureCollectorOptions,
): Required<SignatureCollectorOptions> {
  refuseUnknown(options, known)
  const resolved = {
    nextBlock: 0n,
    window: 256,
    maxOpenBlocks: 1024,
    resendIntervalMs: 500,
    maxResends: 64,
    maxRecentBlocks: 256,
    maxAnswersInFlight: 8,
    ...options,
  }
  const ids = new Set(resolved.consenters)
  if (ids.size !== resolved.consenters.length || !ids.has(resolved.self)) {
    throw new OrdererError(
      'ORDERER_INVALID_OPTIONS',
      'consenters must be distinct and include self',
    )
  }
  const { window, maxOpenBlocks, resendIntervalMs, maxResends, maxAnswersInFlight } = resolved
  assertAtLeastOne({ window, maxOpenBlocks, resendIntervalMs, maxResends, maxAnswersInFlight })
  assertAtLeastOne({ maxRecentBlocks: resolved.maxRecentBlocks })
  return Object.freeze(resolved)
}

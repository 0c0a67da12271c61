import { unknownOption } from '@heddle/interface'
import { InvalidOptionsError } from './errors.ts'
import { messageLimits } from './wire/message-limits.ts'
import type { ReplicaOptions } from './types.ts'

/** {@link ReplicaOptions} with all defaults filled in. */
export type ResolvedOptions = Required<ReplicaOptions>

const mebibyte = 1024 * 1024

/** The most replicas of a group: certificates grow with it. */
export const maxReplicas = 128

/** The smallest, the largest and the default value of each option; integers all. */
const ranges = {
  batchSize: [1, 100_000, 500],
  maxBatchBytes: [1, 48 * mebibyte, 4 * mebibyte],
  preferredBatchBytes: [1, 48 * mebibyte, 2 * mebibyte],
  batchTimeoutMs: [0, 3_600_000, 20],
  pipelineDepth: [1, 10_000, 4],
  checkpointPeriod: [1, 1_000_000, 10],
  logMultiplier: [2, 1_000, 4],
  maxExecutionsInFlight: [1, 10_000, 4],
  requestTimeoutMs: [1, 3_600_000, 2_000],
  viewChangeTimeoutMs: [1, 3_600_000, 2_000],
  maxTimeoutMs: [1, 86_400_000, 60_000],
  statusIntervalMs: [1, 3_600_000, 1_000],
  transferTimeoutMs: [1, 86_400_000, 60_000],
  maxPoolRequests: [1, 10_000_000, 20_000],
  maxPoolBytes: [1, Number.MAX_SAFE_INTEGER, 48 * mebibyte],
  maxSendQueue: [1, 10_000_000, 2_000],
  maxSendQueueBytes: [1, Number.MAX_SAFE_INTEGER, 64 * mebibyte],
  maxReceiveQueue: [1, 10_000_000, 200],
  maxReceiveQueueBytes: [1, Number.MAX_SAFE_INTEGER, 32 * mebibyte],
  maxMessagesPerSecond: [1, 10_000_000, 20_000],
  maxRejectionsPerSecond: [1, 10_000_000, 20],
  maxSignaturesPerSecond: [1, 1_000_000, 50],
  maxCpuMsPerSecond: [1, 1_000, 100],
  maxHeldMs: [1, 3_600_000, 5_000],
  maxJournalQueue: [1, 10_000_000, 10_000],
  maxJournalQueueBytes: [1, Number.MAX_SAFE_INTEGER, 128 * mebibyte],
  journalRewriteBytes: [0, Number.MAX_SAFE_INTEGER, 64 * mebibyte],
} as const

/**
 * Fills in the defaults and checks the ranges.
 *
 * @throws {InvalidOptionsError} PBFT_INVALID_OPTIONS
 */
export function resolveReplicaOptions(options: ReplicaOptions): ResolvedOptions {
  refuseUnknown(options)
  const n = integer('n', options.n, 1, maxReplicas)
  const id = integer('id', options.id, 0, n - 1)
  const resolved: Record<string, number | boolean> = { n, id }
  resolved['acceptLoss'] = options.acceptLoss ?? false
  for (const [name, [min, max, fallback]] of Object.entries(ranges)) {
    const value = options[name as keyof typeof ranges] ?? fallback
    resolved[name] = integer(name, value, min, max)
  }
  const { requestTimeoutMs, maxBatchBytes, batchTimeoutMs } = resolved as unknown as ResolvedOptions
  resolved['preferredBatchBytes'] = Math.min(Number(resolved['preferredBatchBytes']), maxBatchBytes)
  resolved['forwardTimeoutMs'] = integer(
    'forwardTimeoutMs',
    options.forwardTimeoutMs ?? Math.ceil(requestTimeoutMs / 2),
    1,
    requestTimeoutMs,
  )
  resolved['maxRequestBytes'] = integer(
    'maxRequestBytes',
    options.maxRequestBytes ?? Math.min(mebibyte, maxBatchBytes),
    1,
    maxBatchBytes,
  )
  // A request that waits for its batch longer than backups wait for it would depose every primary.
  if (batchTimeoutMs >= requestTimeoutMs)
    throw new InvalidOptionsError(
      `batchTimeoutMs (${batchTimeoutMs}) must be less than requestTimeoutMs (${requestTimeoutMs})`,
    )
  return Object.freeze(resolved) as unknown as ResolvedOptions
}

/**
 * Most bytes of a frame that a replica with these options sends: whoever carries them need take none
 * that is longer.
 *
 * @throws {InvalidOptionsError} PBFT_INVALID_OPTIONS
 */
export function largestFrameBytes(options: Omit<ReplicaOptions, 'id'>): number {
  return messageLimits(resolveReplicaOptions({ ...options, id: 0 })).frame
}

/** Options that have no range of their own above. */
const others: readonly string[] = ['id', 'n', 'acceptLoss', 'forwardTimeoutMs', 'maxRequestBytes']

/** A mistyped option would be none, and its default would be taken without a word. */
function refuseUnknown(options: ReplicaOptions): void {
  const unknown = unknownOption(options, [...others, ...Object.keys(ranges)])
  if (unknown !== undefined) throw new InvalidOptionsError(unknown)
  const { acceptLoss = false } = options as { readonly acceptLoss?: unknown }
  if (typeof acceptLoss !== 'boolean')
    throw new InvalidOptionsError(`acceptLoss is ${String(acceptLoss)}; it must be true or false`)
}

function integer(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new InvalidOptionsError(
    `${name} is ${String(value)}; it must be an integer from ${min} to ${max}`,
  )
}

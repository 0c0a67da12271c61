import type { CoreOptions, JournalRecord } from './core/protocol.ts'
import { ReplicaCore } from './core/replica-core.ts'
import type { ResolvedOptions } from './options.ts'
import type { MarkedJournal } from './out/marked-journal.ts'
import type { Reporter } from './out/reporter.ts'
import type { ReplicaDependencies } from './types.ts'
import { toHex } from './wire/codec.ts'

/** How long a holder of a missing batch may take before the next one is asked. */
const fetchTimeoutMs = 250
/** Most bytes of batches sent again to one replica, in answer to its status messages, in one status interval. */
const maxResendBytes = 32 * 1024 * 1024
/** The same in answer to its fetch-batch messages. Both, and what is new, have room in its send queue. */
const maxFetchBytes = 16 * 1024 * 1024
/** Status intervals without progress, while f + 1 others prove to be ahead, before their state is fetched. */
const stuckIntervals = 3

/** What a core is restored with; the records of `journal` were read. */
export interface RestoreContext {
  readonly deps: ReplicaDependencies
  readonly options: ResolvedOptions
  readonly journal: Pick<MarkedJournal, 'whyIncomplete'>
  readonly reporter: Reporter
}

/** The core as its journal left it. A replica that forgot what it said could say the opposite: then it is told so. */
export function restoreCore(
  records: readonly JournalRecord[],
  { deps: { stateMachine }, options, journal, reporter }: RestoreContext,
): ReplicaCore {
  const { sequence, digest } = stateMachine.lastExecuted()
  const executed = { sequence, digest: toHex(digest) }
  const coreOptions = coreOptionsOf(options, stateMachine.provesTransfers ?? false)
  const why = journal.whyIncomplete(stateMachine.journalMark?.(), sequence > 0n)
  if (why === undefined) {
    const core = new ReplicaCore(coreOptions, records, executed)
    if (sequence <= core.inspect().highWatermark) return core
  }
  reporter.incomplete(why ?? `the journal ends a window before ${sequence}`)
  return new ReplicaCore(coreOptions, records, executed, false)
}

function coreOptionsOf(options: ResolvedOptions, provesTransfers: boolean): CoreOptions {
  const { checkpointPeriod, logMultiplier, statusIntervalMs } = options
  // All of a window, of one and the same holder, as often as it is asked.
  const maxFetchAnswers =
    checkpointPeriod * logMultiplier * Math.ceil(statusIntervalMs / fetchTimeoutMs)
  const bounds = { maxResendBytes, maxFetchAnswers, maxFetchBytes, stuckIntervals }
  return { ...options, ...bounds, fetchTimeoutMs, provesTransfers }
}

import { status as grpcStatus } from '@grpc/grpc-js'
import { create, grpcService, heddle } from '@heddle/proto'
import { stateNamespaces } from '../rules/known-rules.ts'
import { contractNames } from '../rules/rules-2/contracts.ts'
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js'
import type { Ledger, StateContent, StateEntry } from '@heddle/ledger'
import type { ExtraService } from '@heddle/orderer'
import type { Replica } from '@heddle/pbft'
import type { Condition } from './conditions.ts'
import type { StandstillCheck } from './standstill-check.ts'

/** What the Query service answers from. */
export interface QueryServiceDeps {
  readonly ledger: Ledger
  readonly replica: Replica
  /** Validators connected now. */
  readonly connected: () => number
  readonly version: string
  /** What is wrong with this validator, and what it sees of others. */
  readonly conditions: () => readonly Condition[]
  readonly standstill: Pick<StandstillCheck, 'ages'>
  readonly rules: () => heddle.RulesStatus
}

/** Entries read at a time, and most in one message of a stream. */
export const maxReplyEntries = 100

/** Bytes of values in one message of a stream; a single larger value goes alone. */
export const maxReplyBytes = 1024 * 1024

/** With a digest of the whole state, the state that is told is the one that it is of. */
function statusOf(deps: QueryServiceDeps, content?: StateContent): heddle.StatusReply {
  const { ledger, replica } = deps
  const { id, view, activeView, primary, lastExecuted } = replica.status()
  const { savepoint } = content ?? ledger.state
  const { user, system } = process.cpuUsage()
  const { lastBlockMs, oldestRequestMs, unsignedBlocks } = deps.standstill.ages
  return create(heddle.StatusReplySchema, {
    replica: id,
    view,
    activeView: activeView && replica.state === 'started',
    primary,
    height: ledger.height,
    lastBlockHash: ledger.lastHeader?.hash ?? new Uint8Array(),
    sequence: lastExecuted,
    stateDigest: savepoint.digest,
    stateHeight: savepoint.height,
    contentDigest: content?.digest ?? new Uint8Array(),
    connected: deps.connected(),
    version: deps.version,
    rules: deps.rules(),
    cpuMs: BigInt(Math.round((user + system) / 1000)),
    problems: deps.conditions().map(problemOf),
    lastBlockAgeMs: wholeMs(lastBlockMs),
    oldestRequestMs: wholeMs(oldestRequestMs),
    unsignedBlocks,
  })
}

function problemOf(each: Condition): heddle.Problem {
  const { component, reason, condition, cure } = each
  return create(heddle.ProblemSchema, {
    ...{ component, reason, condition, cure },
    degraded: each.severity === 'degraded',
    sinceMs: wholeMs(each.since),
  })
}

function wholeMs(ms: number): bigint {
  return BigInt(Math.round(ms))
}

function unknownContract(name: string): { code: number; details: string } {
  const details = `no contract ${JSON.stringify(name.slice(0, 40))}: there are ${contractNames.join(', ')}`
  return { code: grpcStatus.INVALID_ARGUMENT, details }
}

type EntriesCall = ServerWritableStream<heddle.EntriesRequest, heddle.EntriesReply>

/** Resolves when the message is with the operating system, or the call has ended. */
async function sent(call: EntriesCall, message: heddle.EntriesReply): Promise<void> {
  await new Promise<void>((resolve) => {
    call.once('cancelled', resolve)
    call.write(message, () => {
      call.off('cancelled', resolve)
      resolve()
    })
  })
}

/** Cuts entries into messages: each has at least one, and no message is much longer than allowed. */
function* messagesOf(entries: readonly StateEntry[]): Generator<StateEntry[]> {
  let message: StateEntry[] = []
  let bytes = 0
  for (const entry of entries) {
    if (message.length > 0 && bytes + entry.value.length > maxReplyBytes) {
      yield message
      message = []
      bytes = 0
    }
    message.push(entry)
    bytes += entry.value.length
  }
  yield message
}

/** The smallest key after `key` in the order of UTF-8 bytes. */
function after(key: string): string {
  return `${key}\u0000`
}

async function sendEntries(call: EntriesCall, { state }: Ledger): Promise<void> {
  const { contract } = call.request
  const { height } = state.savepoint
  let from: string | undefined
  while (!call.cancelled) {
    const limit = { limit: maxReplyEntries, maxBytes: maxReplyBytes }
    const entries = state.entries(contract, from === undefined ? limit : { ...limit, from })
    // Read and height are looked at in one turn of the event loop: nothing changes in between.
    if (state.savepoint.height !== height) {
      call.emit('error', { code: grpcStatus.ABORTED, details: 'a block changed the state' })
      return
    }
    const last = entries.at(-1)
    if (last === undefined && from !== undefined) break
    for (const message of messagesOf(entries)) {
      await sent(call, create(heddle.EntriesReplySchema, { height, entries: message }))
    }
    if (last === undefined) break
    from = after(last.key)
  }
  call.end()
}

/** The service `heddle.Query`: reads from this one validator; for readers of the channel, see `compose.ts`. */
export function createQueryService(deps: QueryServiceDeps): ExtraService {
  const { state } = deps.ledger
  return {
    definition: grpcService(heddle.Query),
    handlers: {
      get(
        call: ServerUnaryCall<heddle.GetRequest, heddle.GetReply>,
        reply: sendUnaryData<heddle.GetReply>,
      ) {
        const { contract, key } = call.request
        if (!stateNamespaces.includes(contract)) {
          reply(unknownContract(contract))
          return
        }
        const value = state.get(contract, key)
        const { height } = state.savepoint
        reply(
          null,
          create(heddle.GetReplySchema, {
            found: value !== undefined,
            height,
            ...(value === undefined ? {} : { value }),
          }),
        )
      },
      status(
        call: ServerUnaryCall<heddle.StatusRequest, heddle.StatusReply>,
        reply: sendUnaryData<heddle.StatusReply>,
      ) {
        if (!call.request.contentDigest) {
          reply(null, statusOf(deps))
          return
        }
        state.contentDigest().then(
          (content) => reply(null, statusOf(deps, content)),
          (error: unknown) => reply(error as Error),
        )
      },
      entries(call: EntriesCall) {
        if (!stateNamespaces.includes(call.request.contract)) {
          call.emit('error', unknownContract(call.request.contract))
          return
        }
        sendEntries(call, deps.ledger).catch((error: unknown) => call.emit('error', error))
      },
    },
  }
}

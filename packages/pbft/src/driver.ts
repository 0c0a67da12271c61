import { InvariantError, isCodedError } from '@heddle/interface'
import type { CodedError } from '@heddle/interface'
import { createManager } from '@heddle/events'
import type { Manager, Receiver } from '@heddle/events'
import type { Batch, Message } from './core/messages.ts'
import type { ReplicaEvent } from './core/protocol.ts'
import type { ReplicaCore } from './core/replica-core.ts'
import type { Inbox, InboxEvent } from './in/inbox.ts'
import type { Effects } from './out/effects.ts'
import type { Outbox } from './out/outbox.ts'
import type { Reporter } from './out/reporter.ts'
import type { Proposer } from './requests/proposer.ts'
import type { RequestDesk } from './requests/request-desk.ts'
import type { RequestPool } from './requests/request-pool.ts'

/** Events that the queue has room for; what is posted beyond waits for room. */
export const maxQueuedEvents = 65_536

/** What waits for the driver: what the core takes, and what is for its shell alone. */
export type ShellEvent =
  | ReplicaEvent
  | InboxEvent
  /** The core learns of it by `executed`, and whoever waits for what is in the batch. */
  | {
      readonly type: 'batchExecuted'
      readonly sequence: bigint
      readonly digest: string
      readonly batch: Batch
    }
  /** There may be something to propose. */
  | { readonly type: 'ready' }
  /** What waits to be proposed has waited for `batchTimeoutMs`. */
  | { readonly type: 'batchDue' }
  /** The alarm of {@link PrimaryWatch}. */
  | { readonly type: 'alarm' }

/** A queue without a receiver; it is over with the first event that fails. */
export function createEventQueue(onFailure: (error: CodedError) => void): Manager<ShellEvent> {
  return createManager<ShellEvent>({
    capacity: maxQueuedEvents,
    name: 'pbft',
    onError: ({ cause }) =>
      onFailure(isCodedError(cause) ? cause : new InvariantError('step failed', { cause })),
  })
}

/** Queues an event that must not be lost. */
export function enqueue(queue: Manager<ShellEvent>, event: ShellEvent): void {
  if (!queue.tryQueue(event)) queue.queueRevocable(event)
}

export interface DriverParts {
  readonly queue: Manager<ShellEvent>
  readonly core: ReplicaCore
  readonly inbox: Pick<Inbox, 'open' | 'advance' | 'taken'>
  readonly effects: Effects
  readonly desk: RequestDesk
  readonly proposer: Proposer
  readonly pool: RequestPool
  readonly outbox: Outbox
  readonly reporter: Reporter
  /** There was no room for a message of `from`. */
  readonly onOverflow: (from: number) => void
}

/** Receives the events of a replica: gives them to the core, and has its effects done. */
export class Driver {
  readonly #parts: DriverParts
  #isInTurn = false
  /** What the event under way has led to at once. */
  readonly #caused: ShellEvent[] = []

  constructor(parts: DriverParts) {
    this.#parts = parts
  }

  /**
   * Queues an event that must not be lost. What comes of an event at once, such as this replica's own
   * signature, comes before all that waits: that may be of use only because of it.
   */
  post(event: ShellEvent): void {
    if (this.#isInTurn) this.#caused.push(event)
    else enqueue(this.#parts.queue, event)
  }

  readonly receive: Receiver<ShellEvent> = (event) => this.#inTurn(() => this.#handle(event))

  /** Everything that was there is done: proposes, one batch after the other, then lets out what came of it. */
  readonly endBatch = (): ShellEvent | undefined => this.#inTurn(() => this.#end())

  /** Returns what is to be handled next, before anything that is queued. */
  #inTurn(work: () => ShellEvent | undefined): ShellEvent | undefined {
    this.#isInTurn = true
    try {
      return work() ?? this.#caused.shift()
    } finally {
      this.#isInTurn = false
    }
  }

  #handle(event: ShellEvent): undefined {
    const { desk, proposer } = this.#parts
    switch (event.type) {
      case 'ready':
        return undefined
      case 'batchDue':
        proposer.onDue()
        return undefined
      case 'alarm':
        desk.onAlarm()
        return undefined
      case 'batchExecuted':
        this.#onExecuted(event)
        return undefined
      case 'message':
        this.#parts.inbox.taken(event.from)
        this.#take(event.from, event.message)
        return undefined
      case 'arrived':
        this.#parts.inbox.open(event.from, (message) => this.#take(event.from, message))
        return undefined
      case 'verified':
        this.#parts.inbox.advance(event.from, (message) => this.#take(event.from, message))
        return undefined
      case 'timeout':
        this.#step(event)
        if (event.name === 'status') desk.forwardAgain()
        return undefined
      default:
        this.#step(event)
        return undefined
    }
  }

  #end(): ShellEvent | undefined {
    const { core, desk, proposer, outbox } = this.#parts
    const batch = outbox.isFull ? undefined : proposer.next(core)
    if (batch !== undefined) return { type: 'propose', batch }
    outbox.flush()
    desk.observe()
    return undefined
  }

  /** What was taken in before may have made this replica held up meanwhile. */
  #take(from: number, message: Message): void {
    const { outbox, onOverflow } = this.#parts
    if (outbox.isFull) onOverflow(from)
    else this.#step({ type: 'message', from, message })
  }

  #onExecuted({ sequence, digest, batch }: Extract<ShellEvent, { type: 'batchExecuted' }>): void {
    const { desk, reporter, pool } = this.#parts
    desk.onExecuted(sequence, batch)
    reporter.executed(sequence, batch.requests.length, pool)
    this.#step({ type: 'executed', sequence, digest })
    // Only now: what comes of it is for a core that knows what was executed.
    desk.watchExecuted()
  }

  #step(event: ReplicaEvent): void {
    const { core, effects } = this.#parts
    for (const effect of core.step(event)) effects.perform(effect)
  }
}

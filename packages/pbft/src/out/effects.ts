import { createTimer } from '@heddle/events'
import type { ExpiryQueue, Timer } from '@heddle/events'
import type { CodedError } from '@heddle/interface'
import { fromHex, toHex } from '../wire/codec.ts'
import type { SignedStatement, Statement } from '../core/messages.ts'
import type { ReplicaEffect, ReplicaEvent, TimerName } from '../core/protocol.ts'
import type { ReplicaCore } from '../core/replica-core.ts'
import type { Encoder } from '../wire/encoder.ts'
import { ExecutionError, StateDivergedError, TransferTimeoutError } from '../errors.ts'
import { earlierDigests } from './earlier-digests.ts'
import type { Executions } from './executions.ts'
import type { MarkedJournal } from './marked-journal.ts'
import type { Outbox } from './outbox.ts'
import type { StatePoint, TransferTarget } from '../ports.ts'
import type { Reporter } from './reporter.ts'
import type { RequestDesk } from '../requests/request-desk.ts'
import type { Signatures } from '../in/signatures.ts'
import type { ReplicaDependencies } from '../types.ts'

/** What performing effects needs of the rest of the shell. */
export interface EffectContext {
  readonly desk: RequestDesk
  readonly outbox: Outbox
  readonly executions: Executions
  readonly signatures: Signatures
  readonly encoder: Encoder
  readonly reporter: Reporter
  readonly journal: Pick<MarkedJournal, 'mark'>
  /** For where it is; what happens it is told by `post`. */
  readonly core: Pick<ReplicaCore, 'inspect'>
  /** How long one attempt of a state transfer may take. */
  readonly transferTimeoutMs: number
  /** Where expiries of timers go. */
  readonly queue: ExpiryQueue<TimeoutEvent>
  /** Answers an effect with an event. */
  readonly post: (event: ReplicaEvent) => void
  readonly fail: (error: CodedError) => void
}

type TimeoutEvent = Extract<ReplicaEvent, { readonly type: 'timeout' }>

type Effect<Type extends ReplicaEffect['type']> = Extract<ReplicaEffect, { type: Type }>

/** Does in the world what the core decided. Nothing here calls back into the core but by `post`. */
export class Effects {
  readonly #deps: ReplicaDependencies
  readonly #context: EffectContext
  readonly #timers: Readonly<Record<TimerName, Timer<TimeoutEvent>>>
  readonly #cut = new AbortController()

  constructor(deps: ReplicaDependencies, context: EffectContext) {
    this.#deps = deps
    this.#context = context
    const timer = (): Timer<TimeoutEvent> => createTimer(deps.clock, context.queue)
    this.#timers = { newView: timer(), status: timer(), fetch: timer() }
  }

  perform(effect: ReplicaEffect): void {
    const { desk, outbox, executions, reporter, encoder } = this.#context
    switch (effect.type) {
      case 'persist': {
        outbox.persist(encoder.record(effect.record))
        return
      }
      case 'send': {
        outbox.send(effect.to, encoder.message(effect.message))
        return
      }
      case 'broadcast': {
        outbox.send('all', encoder.message(effect.message))
        return
      }
      case 'accepted': {
        desk.onAccepted(effect.sequence, effect.batch)
        return
      }
      case 'execute': {
        // This replica's own vote counts in the quorum: it must not be forgotten once acted upon.
        outbox.defer(() => {
          void executions.run(effect.sequence, effect.batch, this.#context.journal.mark())
        })
        return
      }
      case 'reject': {
        reporter.rejected(effect.from, effect.code, effect.detail)
        return
      }
      default: {
        this.#performRare(effect)
        return
      }
    }
  }

  #performRare(
    effect: Exclude<
      ReplicaEffect,
      Effect<'persist' | 'send' | 'broadcast' | 'accepted' | 'execute' | 'reject'>
    >,
  ): void {
    const { desk, outbox, reporter, fail } = this.#context
    switch (effect.type) {
      case 'sign': {
        this.#sign(effect.statement)
        return
      }
      case 'startTimer': {
        const { name, generation, afterMs } = effect
        this.#timers[name].reset(afterMs, { type: 'timeout', name, generation })
        return
      }
      case 'stopTimer': {
        this.#timers[effect.name].stop()
        return
      }
      case 'transfer':
        // The journal must know of the stable checkpoint before the state is ahead of it.
        outbox.defer(() => void this.#transfer(effect))
        return
      case 'stable':
        outbox.truncate()
        desk.onStable(effect.sequence)
        reporter.stable(effect.sequence)
        return
      case 'viewChanged': {
        this.#viewChanged(effect)
        return
      }
      case 'voting': {
        reporter.voting(effect)
        return
      }
      case 'asking': {
        reporter.asking(effect)
        return
      }
      case 'fail': {
        fail(new StateDivergedError(effect.detail))
        return
      }
    }
  }

  /** Ends timers and a running state transfer. */
  stop(): void {
    for (const timer of Object.values(this.#timers)) timer.halt()
    this.#cut.abort()
  }

  #sign(statement: Statement): void {
    const { signatures, post, fail } = this.#context
    const done = (message: SignedStatement): void => post({ type: 'signed', message })
    const failed = (error: unknown): void => fail(new ExecutionError('signing', error))
    try {
      const signed = signatures.sign(statement)
      if (signed instanceof Promise) signed.then(done, failed)
      else done(signed)
    } catch (error) {
      failed(error)
    }
  }

  async #transfer({ sequence, digest, replicas }: Effect<'transfer'>): Promise<void> {
    const { post, desk, reporter, core } = this.#context
    reporter.transferStarted(sequence)
    try {
      const target = { sequence, digest: fromHex(digest), replicas }
      const reached = await this.#transferInTime(target)
      const { lowWatermark } = core.inspect()
      const { stateMachine } = this.#deps
      const earlier = await earlierDigests(stateMachine, reached.sequence, lowWatermark)
      desk.onTransferred(reached.sequence)
      reporter.transferEnded(reached.sequence)
      const digestHex = toHex(reached.digest)
      post({ type: 'transferred', sequence: reached.sequence, digest: digestHex, earlier })
    } catch (error) {
      if (this.#cut.signal.aborted) return
      reporter.transferFailed(sequence, error)
      post({ type: 'transferFailed' })
    }
  }

  /** Ends with the replica, and after `transferTimeoutMs`. */
  async #transferInTime(target: TransferTarget): Promise<StatePoint> {
    const { transferTimeoutMs, journal } = this.#context
    const late = new AbortController()
    const timer = this.#deps.clock.schedule(transferTimeoutMs, () =>
      late.abort(new TransferTimeoutError(transferTimeoutMs)),
    )
    const signal = AbortSignal.any([this.#cut.signal, late.signal])
    try {
      return await this.#deps.stateMachine.transfer(target, { signal, mark: journal.mark() })
    } finally {
      timer.cancel()
    }
  }

  #viewChanged({ view, primary, active }: Effect<'viewChanged'>): void {
    const { desk, reporter } = this.#context
    reporter.viewChanged(view, primary, active)
    desk.onViewChanged({ view, primary, active })
  }
}

import type { ClockTimer, CodedError } from '@heddle/interface'
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
  /** Answers an effect with an event. */
  readonly post: (event: ReplicaEvent) => void
  readonly fail: (error: CodedError) => void
}

type Effect<Type extends ReplicaEffect['type']> = Extract<ReplicaEffect, { type: Type }>

/** Does in the world what the core decided. Nothing here calls back into the core but by `post`. */
export class Effects {
  readonly #deps: ReplicaDependencies
  readonly #context: EffectContext
  readonly #timers = new Map<TimerName, ClockTimer>()
  readonly #cut = new AbortController()

  constructor(deps: ReplicaDependencies, context: EffectContext) {
    this.#deps = deps
    this.#context = context
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
        this.#startTimer(effect)
        return
      }
      case 'stopTimer':
        return this.#timers.get(effect.name)?.cancel()
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
    for (const timer of this.#timers.values()) timer.cancel()
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

  #startTimer({ name, generation, afterMs }: Effect<'startTimer'>): void {
    const { post, desk } = this.#context
    this.#timers.get(name)?.cancel()
    const timer = this.#deps.clock.schedule(afterMs, () => {
      post({ type: 'timeout', name, generation })
      if (name === 'status') desk.forwardAgain()
    })
    this.#timers.set(name, timer)
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

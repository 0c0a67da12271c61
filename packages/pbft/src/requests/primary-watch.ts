import type { Timer } from '@heddle/events'
import type { Clock } from '@heddle/interface'
import type { ReplicaCore } from '../core/replica-core.ts'
import type { ReplicaEvent } from '../core/protocol.ts'
import { RequestAbandonedError } from '../errors.ts'
import type { StateMachine } from '../ports.ts'
import type { Answers } from './answers.ts'
import type { DeskView, Forwarding } from './forwarding.ts'
import { Patience } from './patience.ts'
import type { Decision, Facts, PatienceOptions } from './patience.ts'
import type { RequestChecker } from './request-checker.ts'
import type { PoolEntry, RequestPool } from './request-pool.ts'

/** The timer whose expiry leads to {@link PrimaryWatch.onAlarm}. */
export type Alarm = Timer<{ readonly type: 'alarm' }>

export interface PrimaryWatchDependencies {
  readonly pool: RequestPool
  readonly checker: RequestChecker
  readonly stateMachine: StateMachine
  readonly clock: Clock
  readonly alarm: Alarm
  readonly core: Pick<
    ReplicaCore,
    'isBehind' | 'executedByOthers' | 'timeoutFactor' | 'awaitsPrimary'
  >
  readonly forwarding: Forwarding
  readonly answers: Answers
  /** Whether the replica takes nothing in now. */
  readonly isHeldUp: () => boolean
  /** Tells the core what was decided. */
  readonly post: (event: ReplicaEvent) => void
}

/** Does what {@link Patience} decides, and asks it again when its time comes. */
export class PrimaryWatch {
  readonly #deps: PrimaryWatchDependencies
  readonly #patience: Patience
  /** When the alarm goes off: when patience wants it, or before. */
  #alarmAt = Infinity
  #isStopped = false

  constructor(deps: PrimaryWatchDependencies, options: PatienceOptions) {
    this.#deps = deps
    this.#patience = new Patience(deps.pool, factsOf(deps), options)
  }

  /** Since when the primary has known what it has known for long. */
  get knownSince(): number {
    return this.#patience.knownSince
  }

  /** A view ends. */
  leave(isActive: boolean): void {
    this.#perform(this.#patience.leave(isActive))
  }

  /** In this view now. */
  enter(view: DeskView): void {
    if (!this.#isStopped) this.#perform(this.#patience.enter(view))
  }

  /** Something was executed or dropped. */
  look(): void {
    this.#perform(this.#patience.look())
  }

  /** Something of this origin was added or dropped. */
  lookAt(origin: number): void {
    this.#perform(this.#patience.lookAt(origin))
  }

  /** A batch was executed, and the core knows. */
  executed(): void {
    this.#perform(this.#patience.executed())
  }

  /** Something happened: perhaps it is now for another one to make the next step. */
  observe(): void {
    this.#perform(this.#patience.observe())
  }

  /** A batch leaves out what it should not. */
  leftOut(): void {
    this.#patience.leftOut()
  }

  /** Asks what is decided now, and sets the alarm for the next time. */
  onAlarm(): void {
    this.#alarmAt = Infinity
    for (const turn of this.#patience.due()) {
      this.#perform(this.#patience.expire(turn))
      this.lookAt(turn.origin)
    }
    this.#perform(this.#patience.judge())
  }

  stop(): void {
    this.#isStopped = true
    this.#patience.stop()
    this.#deps.alarm.halt()
  }

  #perform(decisions: readonly Decision[]): void {
    for (const decision of decisions) this.#do(decision)
    this.#arm()
  }

  #do(decision: Decision): void {
    const { forwarding, answers, post } = this.#deps
    switch (decision.type) {
      case 'passOn': {
        forwarding.passOn(decision.entry)
        return
      }
      case 'remind': {
        forwarding.remind(decision.entry)
        void this.#recheck(decision.entry, forwarding.view.view)
        return
      }
      case 'giveUp': {
        answers.drop(decision.entry, new RequestAbandonedError(decision.entry.id))
        return
      }
      case 'slow': {
        forwarding.setSlow(decision.isSlow)
        return
      }
      default: {
        post(decision)
        return
      }
    }
  }

  /** A request that is no longer good would make every primary look faulty. */
  async #recheck(entry: PoolEntry, view: bigint): Promise<void> {
    const { checker, stateMachine, answers } = this.#deps
    if (!answers.settleIfExecuted(entry, stateMachine.lastExecuted().sequence)) {
      checker.forget(entry.digest)
      await checker
        .check(entry.request, entry.digest, 'proposal')
        .catch((error: unknown) => answers.drop(entry, error as Error))
    }
    this.#perform(this.#patience.checkedAnew(entry, view))
  }

  /** The oldest changes with every batch; setting the alarm anew each time would cost more than one in vain. */
  #arm(): void {
    const { wakeAt } = this.#patience
    if (this.#isStopped || wakeAt >= this.#alarmAt) return
    const { clock, alarm } = this.#deps
    this.#alarmAt = wakeAt
    alarm.reset(wakeAt - clock.now(), { type: 'alarm' })
  }
}

function factsOf({ clock, core, isHeldUp }: PrimaryWatchDependencies): Facts {
  return {
    get now() {
      return clock.now()
    },
    get isHeldUp() {
      return isHeldUp()
    },
    get isBehind() {
      return core.isBehind()
    },
    get executedByOthers() {
      return core.executedByOthers
    },
    get timeoutFactor() {
      return core.timeoutFactor
    },
    get awaitsPrimary() {
      return core.awaitsPrimary()
    },
  }
}

import { maxOffsetMs } from '@heddle/client'
import { create, decode, encode, heddle } from '@heddle/proto'
import { hold } from './conditions.ts'
import { Repeating } from './repeating.ts'
import type { Clock, Gauge, Metrics } from '@heddle/interface'
import type { ConditionSink } from './conditions.ts'
import type { ProcessWatch } from './process-watch.ts'
import type { SettingsWatch } from './settings-watch.ts'

/** What a {@link ClockWatch} works with. */
export interface ClockWatchDeps {
  readonly clock: Clock
  /** Sends an encoded `heddle.WallTime` to all other validators, or to one. */
  readonly tell: (wallTime: Uint8Array, to?: number) => void
  readonly conditions: ConditionSink
  /** Tells and takes which processes speak. */
  readonly processes: Pick<ProcessWatch, 'told' | 'isOther' | 'receive'>
  /** Tells and takes the settings that all must have alike. */
  readonly settings: Pick<SettingsWatch, 'told' | 'receive'>
  readonly metrics?: Metrics
}

/** How often each validator tells the others what its clock says, in milliseconds. */
export const tellIntervalMs = 2000

/** What is older says nothing about the clock of now, in milliseconds. */
export const windowMs = 3 * tellIntervalMs

/** What one moment says may be late; what comes over this time is not, in milliseconds. */
const spanMs = 2 * tellIntervalMs

interface Observation {
  /** When it came, by our monotonic clock. */
  readonly at: number
  /** Their wall time less ours when it came: the true offset, less the time that it was under way. */
  readonly offsetMs: number
}

interface Member {
  observations: Observation[]
  /** What counts; 0 until there is enough to judge by. */
  offsetMs: number
}

/**
 * Compares the clocks of the validators. A message takes its time, so that a clock looks behind by
 * so much: what counts is the largest offset of the last seconds. Others may lie about their time;
 * so nothing comes of it but a warning.
 */
export class ClockWatch extends Repeating {
  readonly #deps: ClockWatchDeps
  readonly #members = new Map<number, Member>()
  readonly #offset: Gauge | undefined

  constructor(deps: ClockWatchDeps) {
    super(deps.clock, tellIntervalMs)
    this.#deps = deps
    this.#offset = deps.metrics?.gauge({
      name: 'heddle_clock_offset_seconds',
      help: 'By how much the clock of another validator is ahead of ours.',
      labelNames: ['validator'],
    })
  }

  /**
   * Takes what another validator's clock says.
   * @param from - its replica
   * @throws {ProtoError} when the bytes are no `heddle.WallTime`
   */
  receive(from: number, bytes: Uint8Array): void {
    const { clock } = this.#deps
    const wallTime = decode(heddle.WallTimeSchema, bytes)
    const { unixMs } = wallTime
    const at = clock.now()
    this.#takeProcess(from, wallTime)
    this.#deps.settings.receive(from, wallTime)
    const member = this.#members.get(from) ?? { observations: [], offsetMs: 0 }
    this.#members.set(from, member)
    const last = member.observations.at(-1)
    // Whoever tells more often is not heard more often.
    if (last !== undefined && at - last.at < tellIntervalMs / 2) return
    const recent = member.observations.filter((each) => at - each.at <= windowMs)
    member.observations = [...recent, { at, offsetMs: Number(unixMs) - clock.wallTime() }]
    this.#judge(from, member)
  }

  /**
   * Another process gets told at once whom this one heard before it, and after. Two processes of one validator
   * take the connection from each other before it is time to tell all.
   */
  #takeProcess(from: number, wallTime: heddle.WallTime): void {
    const { processes, tell } = this.#deps
    const isOther = processes.isOther(from, wallTime)
    if (isOther) tell(this.#told(), from)
    processes.receive(from, wallTime)
    if (isOther) tell(this.#told(), from)
  }

  /** Says which clocks are off; of whoever tells no more, nothing is known. */
  look(): void {
    const { clock, conditions } = this.#deps
    for (const [from, member] of this.#members) {
      const last = member.observations.at(-1)
      if (last === undefined || clock.now() - last.at > windowMs) this.#forget(from, member)
      const reason = `the clock of validator${from} is ${howFar(member.offsetMs)} ours`
      const seconds = Math.round(member.offsetMs / 1000)
      const ours = new Date(clock.wallTime()).toISOString()
      const details = { reason, fields: { seconds, ours } }
      const isOff = Math.abs(member.offsetMs) > maxOffsetMs
      hold(conditions, 'clock-off', isOff ? details : undefined, `validator${from}`)
    }
  }

  #judge(from: number, member: Member): void {
    const { clock } = this.#deps
    const offsetMs = Math.max(...member.observations.map((each) => each.offsetMs))
    const span = clock.now() - (member.observations[0]?.at ?? 0)
    // Being under way makes no clock look ahead.
    if (offsetMs <= maxOffsetMs && span < spanMs) return
    member.offsetMs = offsetMs
    this.#offset?.set(offsetMs / 1000, { validator: `validator${from}` })
  }

  #forget(from: number, member: Member): void {
    member.observations = []
    member.offsetMs = 0
    this.#offset?.set(0, { validator: `validator${from}` })
  }

  protected override repeat(): void {
    this.#deps.tell(this.#told())
  }

  #told(): Uint8Array {
    const { clock, processes, settings } = this.#deps
    const unixMs = BigInt(Math.max(0, Math.round(clock.wallTime())))
    const told = { unixMs, ...processes.told, ...settings.told }
    return encode(heddle.WallTimeSchema, create(heddle.WallTimeSchema, told))
  }
}

/** `10800 s behind`, with the word that follows. */
function howFar(offsetMs: number): string {
  return `${Math.round(Math.abs(offsetMs) / 1000)} s ${offsetMs < 0 ? 'behind' : 'ahead of'}`
}

import { create, decode, encode, heddle } from '@heddle/proto'
import type { Clock, ClockTimer, Lifecycle, LifecycleState, Logger } from '@heddle/interface'
import type { Problem } from '../operations/server.ts'

/** What a {@link ClockWatch} works with. */
export interface ClockWatchDeps {
  readonly clock: Clock
  /** Sends an encoded `heddle.WallTime` to all other validators. */
  readonly tell: (wallTime: Uint8Array) => void
  readonly logger?: Logger
}

/** How often each validator tells the others what its clock says, in milliseconds. */
export const tellIntervalMs = 5000

/** From here on a clock is named, in milliseconds. */
export const maxOffsetMs = 30_000

/** What is older says nothing about the clock of now, in milliseconds. */
const windowMs = 3 * tellIntervalMs

/** What one moment says may be late; what comes over this time is not, in milliseconds. */
const spanMs = 2 * tellIntervalMs

/** A validator whose clock goes to and fro has one line in the log in this time, in milliseconds. */
export const repeatMs = 600_000

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
  toldAt: number
}

/**
 * Compares the clocks of the validators. A message takes its time, so that a clock looks behind by
 * so much: what counts is the largest offset of the last seconds. Others may lie about their time;
 * so nothing comes of it but a warning.
 */
export class ClockWatch implements Lifecycle {
  readonly #deps: ClockWatchDeps
  readonly #members = new Map<number, Member>()
  #state: LifecycleState = 'idle'
  #timer: ClockTimer | undefined

  constructor(deps: ClockWatchDeps) {
    this.#deps = deps
  }

  get state(): LifecycleState {
    return this.#state
  }

  /** Each clock that is more than {@link maxOffsetMs} from ours, for `heddle network status`. */
  get problems(): readonly Problem[] {
    const off = [...this.#members].filter(([, { offsetMs }]) => isOff(offsetMs))
    return off
      .sort(([a], [b]) => a - b)
      .map(([replica, { offsetMs }]) => ({
        component: 'clock',
        reason: `the clock of validator${replica} is ${howFar(offsetMs)} ours`,
      }))
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a Lifecycle
  async start(): Promise<void> {
    if (this.#state !== 'idle') return
    this.#state = 'started'
    this.#tell()
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a Lifecycle
  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#timer?.cancel()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /**
   * Takes what another validator's clock says.
   * @param from - its replica
   * @throws {ProtoError} when the bytes are no `heddle.WallTime`
   */
  receive(from: number, bytes: Uint8Array): void {
    const { clock } = this.#deps
    const { unixMs } = decode(heddle.WallTimeSchema, bytes)
    const at = clock.now()
    const member = this.#members.get(from) ?? { observations: [], offsetMs: 0, toldAt: -Infinity }
    this.#members.set(from, member)
    const last = member.observations.at(-1)
    // Whoever tells more often is not heard more often.
    if (last !== undefined && at - last.at < tellIntervalMs / 2) return
    const recent = member.observations.filter((each) => at - each.at <= windowMs)
    member.observations = [...recent, { at, offsetMs: Number(unixMs) - clock.wallTime() }]
    this.#judge(from, member)
  }

  #judge(from: number, member: Member): void {
    const { clock } = this.#deps
    const offsetMs = Math.max(...member.observations.map((each) => each.offsetMs))
    const span = clock.now() - (member.observations[0]?.at ?? 0)
    // Being under way makes no clock look ahead.
    if (offsetMs <= maxOffsetMs && span < spanMs) return
    const wasOff = isOff(member.offsetMs)
    member.offsetMs = offsetMs
    if (wasOff === isOff(offsetMs)) return
    this.#say(from, member, offsetMs)
  }

  #say(from: number, member: Member, offsetMs: number): void {
    const { clock, logger } = this.#deps
    const seconds = Math.round(offsetMs / 1000)
    const fields = { validator: `validator${from}`, seconds }
    if (!isOff(offsetMs)) {
      logger?.info('a clock agrees with ours again', fields)
      return
    }
    if (clock.now() - member.toldAt < repeatMs) return
    member.toldAt = clock.now()
    logger?.warn('a clock is far from ours', {
      ...fields,
      meaning: `it is ${howFar(offsetMs)} ours: set the clock that is wrong`,
      ours: new Date(clock.wallTime()).toISOString(),
    })
  }

  #tell(): void {
    const { clock, tell } = this.#deps
    const unixMs = BigInt(Math.max(0, Math.round(clock.wallTime())))
    tell(encode(heddle.WallTimeSchema, create(heddle.WallTimeSchema, { unixMs })))
    this.#timer = clock.schedule(tellIntervalMs, () => this.#tell())
  }
}

function isOff(offsetMs: number): boolean {
  return Math.abs(offsetMs) > maxOffsetMs
}

/** `10800 s behind`, with the word that follows. */
function howFar(offsetMs: number): string {
  return `${Math.round(Math.abs(offsetMs) / 1000)} s ${offsetMs < 0 ? 'behind' : 'ahead of'}`
}

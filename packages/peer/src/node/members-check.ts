import { quorumOf } from '@heddle/pbft'
import { hold } from './conditions.ts'
import type { Clock } from '@heddle/interface'
import type { ConditionDetails, ConditionSink } from './conditions.ts'

/** After so many milliseconds without a connection a validator is down. */
export const downMs = 3000

/** After so many milliseconds in which a connected validator said nothing it is silent: each speaks every second. */
export const silentMs = 5000

/** Time passes in steps of this many milliseconds at most: while this process stood still, nobody was silent. */
const longestStepMs = 1500

/** What a {@link MembersCheck} looks at. */
export interface MembersCheckDeps {
  /** The replicas of all other validators. */
  readonly others: readonly number[]
  /** Those connected now. */
  readonly connected: () => readonly number[]
  /** See {@link StartCheck}: connections come about then. */
  readonly isStarting: () => boolean
  readonly clock: Clock
  readonly conditions: ConditionSink
}

interface Member {
  isReached: boolean
  /** For how long it is not connected; 0 while it is. */
  downMs: number
  /** For how long it has said nothing, connected or not. */
  silentMs: number
}

/** Says which other validators are not connected, or are and say nothing, and whether a quorum is left. */
export class MembersCheck {
  readonly #deps: MembersCheckDeps
  readonly #members: ReadonlyMap<number, Member>
  #lookedAt: number

  constructor(deps: MembersCheckDeps) {
    this.#deps = deps
    this.#members = new Map(
      deps.others.map((replica) => [replica, { isReached: false, downMs: 0, silentMs: 0 }]),
    )
    this.#lookedAt = deps.clock.now()
  }

  /** A validator has said something, whatever it was. */
  heard(from: number): void {
    const member = this.#members.get(from)
    if (member !== undefined) member.silentMs = 0
  }

  look(): void {
    const { clock, connected, conditions, isStarting } = this.#deps
    const now = clock.now()
    const step = Math.min(now - this.#lookedAt, longestStepMs)
    this.#lookedAt = now
    const reached = new Set(connected())
    let talking = 0
    for (const [replica, member] of this.#members) {
      const isReached = reached.has(replica)
      const isNew = isReached && !member.isReached
      member.isReached = isReached
      member.silentMs = isNew ? 0 : member.silentMs + step
      member.downMs = isReached ? 0 : member.downMs + step
      if (isReached && member.silentMs < silentMs) talking++
      tell(conditions, replica, member)
    }
    const tooFew = isStarting() ? undefined : this.#tooFew(reached.size, talking)
    hold(conditions, 'too-few-connected', tooFew)
  }

  #tooFew(reached: number, talking: number): ConditionDetails | undefined {
    const needed = quorumOf(this.#members.size + 1) - 1
    if (talking >= needed) return undefined
    const silent = reached === talking ? '' : `, ${reached - talking} of them silent`
    const reason = `connected with ${reached} validators${silent}; a quorum needs ${needed} of the others`
    return { reason }
  }
}

function tell(conditions: ConditionSink, replica: number, member: Member): void {
  const name = `validator${replica}`
  const { isReached } = member
  const isSilent = member.silentMs >= silentMs
  // One whose connection ends because it is silent is down at once: nothing is well in between.
  const isDown = !isReached && (isSilent || member.downMs >= downMs)
  const down = `${name} has not been connected for ${seconds(member.downMs)}`
  const silent = `${name} is connected, and has said nothing for ${seconds(member.silentMs)}`
  hold(conditions, 'validator-down', isDown ? { reason: down } : undefined, name)
  hold(conditions, 'validator-silent', isReached && isSilent ? { reason: silent } : undefined, name)
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`
}

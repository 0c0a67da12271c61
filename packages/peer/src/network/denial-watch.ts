import { faultsTolerated } from '@heddle/pbft'
import { readSignedHeader, signedHeaderOf } from '../node/fork.ts'
import type { Monitor, NetworkClient } from '@heddle/client'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { common } from '@heddle/proto'

/** How long f + 1 validators may say that they lack a block that is held here, in milliseconds. */
export const deniedMs = 10_000

/** How often it is looked whether they do. */
const lookMs = 1000

/** What a {@link DenialWatch} works with. */
export interface DenialWatchDeps {
  readonly monitor: Pick<Monitor, 'statuses'>
  readonly client: Pick<NetworkClient, 'validators'>
  readonly clock: Clock
  /** Takes a sentence for standard error. */
  readonly note: (text: string) => void
}

interface Held {
  readonly number: bigint
  readonly signers: readonly number[]
}

/**
 * Notices when more validators than may lie say that they lack a block that a quorum signed, and get no
 * further: they were set back, and what was acknowledged with that block may be lost. Says it once.
 */
export class DenialWatch {
  readonly #deps: DenialWatchDeps
  #timer: ClockTimer | undefined
  #last: Held | undefined
  /** What is denied at present, since when, and how far those were who deny it. */
  #denied: { readonly held: Held; readonly since: number; readonly heights: Heights } | undefined
  #hasSaid = false

  constructor(deps: DenialWatchDeps) {
    this.#deps = deps
  }

  /** Whether it was said. */
  get isDenied(): boolean {
    return this.#hasSaid
  }

  /** A block is held, whose signatures were verified. */
  hold(block: common.Block): void {
    const signed = signedHeaderOf(block)
    if (signed === undefined) return
    const { number, signers } = readSignedHeader(signed)
    if (number > (this.#last?.number ?? 0n)) this.#last = { number, signers }
  }

  /** Looks again and again until {@link stop}. */
  start(): void {
    this.#compare()
    if (!this.#hasSaid) this.#timer = this.#deps.clock.schedule(lookMs, () => this.start())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #compare(): void {
    const { clock, client, note } = this.#deps
    const names = client.validators.map(({ name }) => name)
    const held = this.#denied?.held ?? this.#last
    if (held === undefined) return
    const heights = this.#deniersOf(held)
    if (heights.size <= faultsTolerated(names.length)) {
      this.#denied = undefined
      return
    }
    this.#denied ??= { held, since: clock.now(), heights }
    if (clock.now() - this.#denied.since < deniedMs) return
    this.#hasSaid = true
    note(sentence(held, [...heights.keys()], names))
  }

  /** Those that say they lack it, and are no further than they were when that began. */
  #deniersOf({ number }: Held): Heights {
    const before = this.#denied?.heights
    return new Map(
      this.#deps.monitor.statuses.flatMap((status, index) => {
        const isLacking = status !== undefined && status.height <= number
        if (!isLacking || status.height > (before?.get(index) ?? number)) return []
        return [[index, before?.get(index) ?? status.height]] as const
      }),
    )
  }
}

/** By validator, how many blocks it says to have. */
type Heights = ReadonlyMap<number, bigint>

function sentence({ number, signers }: Held, deniers: readonly number[], names: readonly string[]) {
  const named = (replicas: readonly number[]): string =>
    replicas.map((replica) => names[replica] ?? replica).join(', ')
  return (
    `WARNING: ${named(deniers)} say that they do not have block ${number}, which ${named(signers)} signed: ` +
    'they were set back, and what was acknowledged may be lost\n' +
    '  try: stop submitting, compare `heddle blocks --endpoint` of all, and see OPERATIONS.md, After a restore'
  )
}

import { maxFrameMessages } from '../wire/frame.ts'

/**
 * So much of one replica may wait in the queue when the next of its frames comes: messages that are
 * the core's as they are, and those that have to be verified, which cost more. What these cost is
 * charged when their turn comes; so it is, before many more come.
 */
export const maxBacklog = { plain: 512, sealed: 4 } as const

/** Most of the former that ever wait: one frame more. The latter wait in their lane, which has bounds. */
export const maxPlain = maxBacklog.plain + maxFrameMessages

type Kind = keyof typeof maxBacklog

interface Waiting {
  readonly count: Record<Kind, number>
  /** Who waits until there is less. */
  held: { readonly until: Promise<void>; readonly end: () => void } | undefined
}

/**
 * What of each replica waits in the one queue for its turn. Whoever has more there than
 * {@link maxBacklog} is not heard until less is left: so no replica has much before what another
 * sends, and what finds no room is its own.
 */
export class Backlog {
  readonly #of: readonly Waiting[]

  /** @param n - how many replicas there are */
  constructor(n: number) {
    this.#of = Array.from({ length: n }, () => ({
      count: { plain: 0, sealed: 0 },
      held: undefined,
    }))
  }

  /** Whether one more that is the core's as it is has room. */
  hasRoom(from: number): boolean {
    return (this.#of[from]?.count.plain ?? maxPlain) < maxPlain
  }

  /** One more of `from` waits. */
  add(from: number, kind: Kind): void {
    const waiting = this.#of[from]
    if (waiting !== undefined) waiting.count[kind]++
  }

  /** The turn of one has come. */
  taken(from: number, kind: Kind): void {
    const waiting = this.#of[from]
    if (waiting === undefined) return
    waiting.count[kind]--
    if (waiting.held !== undefined && isShort(waiting)) release(waiting)
  }

  /** After a frame of `from`: resolves when the next may come; undefined for at once. */
  settle(from: number): Promise<void> | undefined {
    const waiting = this.#of[from]
    if (waiting === undefined || isShort(waiting)) return undefined
    waiting.held ??= newHold()
    return waiting.held.until
  }

  /** Holds nobody back any more. */
  close(): void {
    for (const waiting of this.#of) release(waiting)
  }
}

function isShort({ count: { plain, sealed } }: Waiting): boolean {
  return plain <= maxBacklog.plain && sealed <= maxBacklog.sealed
}

function release(waiting: Waiting): void {
  waiting.held?.end()
  waiting.held = undefined
}

function newHold(): NonNullable<Waiting['held']> {
  let end: () => void = () => undefined
  const until = new Promise<void>((resolve) => (end = resolve))
  return { until, end }
}

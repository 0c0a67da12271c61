/** How many looks the first turn lasts. A switch under load is executed within it. */
const firstTurn = 5

/** Longest turn. */
const longestTurn = 60

/**
 * Whose turn it is to have a switch ordered: first the primary's, then the next validator's, and so
 * on, each turn twice as long as the one before. So one that does not do it holds nobody up for long,
 * and at no time do many.
 */
export class SwitchTurns {
  readonly #self: number
  readonly #validators: number
  #turn = 0
  #looks = 0

  constructor(self: number, validators: number) {
    this.#self = self
    this.#validators = validators
  }

  /**
   * To be asked at each look.
   *
   * @param isDue - whether a switch is due: turns are counted from when it is
   * @returns whether this validator begins its turn now
   */
  next(isDue: boolean, primary: number): boolean {
    if (!isDue) {
      this.#turn = 0
      this.#looks = 0
      return false
    }
    const begins = this.#looks === 0
    const isOwn = (primary + this.#turn) % this.#validators === this.#self
    this.#looks++
    if (this.#looks >= Math.min(longestTurn, firstTurn * 2 ** this.#turn)) {
      this.#turn++
      this.#looks = 0
    }
    return begins && isOwn
  }
}

/** Resolves once everything that is ready now has run. */
export const nextTurn = (turns = 2): Promise<void> =>
  new Promise((resolve) => {
    const turn = (left: number): void =>
      void setImmediate(() => (left > 0 ? turn(left - 1) : resolve()))
    turn(turns)
  })

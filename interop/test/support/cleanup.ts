/** What a suite must undo at its end, however far its beginning came. */
export class Cleanup {
  readonly #steps: (() => Promise<void> | void)[] = []

  defer(step: () => Promise<void> | void): void {
    this.#steps.push(step)
  }

  /** Undoes all, the last first; what one step throws does not keep the others from running. */
  async run(): Promise<void> {
    const errors: unknown[] = []
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'cleaning up failed')
  }
}

/** One test of a compliance suite: `for (const c of journalCases(setup)) it(c.name, c.run)`. */
export interface PortCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/** What every setup may have: called at the end of its case, whatever came of it. */
export interface Disposable {
  readonly teardown?: () => Promise<void>
}

/** Makes the cases of one port, each with a setup of its own. */
export function casesOver<S extends Disposable>(
  port: string,
  setup: () => S | Promise<S>,
  tests: Readonly<Record<string, (tested: S) => Promise<void>>>,
): PortCase[] {
  return Object.entries(tests).map(([name, test]) => ({
    name: `${port}: ${name}`,
    run: async () => {
      const tested = await setup()
      try {
        await test(tested)
      } finally {
        await tested.teardown?.()
      }
    },
  }))
}

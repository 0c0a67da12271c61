// What `pnpm mutants PACKAGE` changes, and the tests that must notice. The files are those whose
// mistakes cost a ledger: agreement, identities, handshakes, verification.

/** Least share of mutants killed in each file, in percent. */
export const leastKilled = 85

/** They make many keys or folders and come last: most mutants are dead by then. */
const slowOfMsp = 'algorithms|chain|folder*|generate|identity|import|keystore|signature'

/** Files and specs are globs under packages/PACKAGE. */
export const targets = {
  pbft: {
    mutate: ['src/core/**/*.ts'],
    // Those of the core alone come first: they take no time, and kill most.
    spec: ['test/paper/**/*.spec.ts', 'test/flaws/**/*.spec.ts', 'test/unit/**/*.spec.ts'],
  },
  msp: {
    mutate: ['src/*.ts', '!src/index.ts', '!src/testing.ts'],
    spec: [
      `test/unit/!(${slowOfMsp}).spec.ts`,
      `test/unit/@(${slowOfMsp}).spec.ts`,
      'test/wire/**/*.spec.ts',
    ],
  },
  identity: {
    mutate: ['src/*.ts', '!src/index.ts', '!src/testing.ts'],
    // Not those of test/load: seconds for each mutant.
    spec: ['test/unit/**/*.spec.ts'],
  },
  comm: {
    mutate: ['src/handshake/*.ts', 'src/connections/connection-store.ts'],
    spec: ['test/unit/**/*.spec.ts', 'test/wire/**/*.spec.ts', 'test/e2e/handshake.spec.ts'],
  },
  channel: {
    mutate: ['src/channel-config.ts', 'src/channel-rules.ts', 'src/orderer-endpoints.ts'],
    spec: ['test/unit/**/*.spec.ts', 'test/wire/**/*.spec.ts'],
  },
  deliver: {
    mutate: [
      'src/block-check.ts',
      'src/block-verifier.ts',
      'src/config-endpoints.ts',
      'src/locate.ts',
    ],
    spec: ['test/unit/**/*.spec.ts', 'test/wire/pull-blocks.spec.ts', 'test/wire/lies.spec.ts'],
  },
}

// The dependency direction of ARCHITECTURE.md as dependency-cruiser rules.

/** From the bottom up. A package imports only from rows below its own. */
export const rows = [
  ['interface'],
  ['proto', 'events', 'pubsub'],
  ['identity', 'msp', 'listener'],
  ['comm', 'channel', 'pbft', 'ledger'],
  ['orderer', 'deliver'],
  ['client'],
  ['peer'],
]

/** Packages whose types still form cycles. */
const cyclicTypes = ['pbft']

/** The packages that hold sockets; `peer` composes them and adds its own query service. */
const grpcUsers = ['listener', 'comm', 'deliver', 'orderer', 'client', 'peer']

/** Folders of a package's sources, in order: a file imports, types too, only from its own and those before. */
const rooms = {
  comm: ['messages', 'queues', 'transport', 'handshake', 'connections'],
  ledger: ['storage', 'records', 'index', 'state', 'journal', 'blocks'],
  pbft: ['core', 'wire', 'requests', 'in', 'out'],
}

const any = (names) => `(${names.join('|')})`

const layers = rows.flatMap((row, level) =>
  row.map((name) => ({
    name: `direction-${name}`,
    severity: 'error',
    comment: `${name} stands on row ${level}: it imports only from the rows below`,
    from: { path: `^packages/${name}/src/` },
    to: {
      path: `^packages/${any(
        rows
          .slice(level)
          .flat()
          .filter((other) => other !== name)
          .concat('-'),
      )}/`,
    },
  })),
)

const walks = Object.entries(rooms).flatMap(([name, folders]) =>
  folders.slice(0, -1).map((folder, at) => ({
    name: `rooms-${name}-${folder}`,
    severity: 'error',
    comment: `${folder} of ${name} imports nothing from the rooms behind it`,
    from: { path: `^packages/${name}/src/${folder}/` },
    to: { path: `^packages/${name}/src/${any(folders.slice(at + 1))}/` },
  })),
)

export const ruleSet = {
  forbidden: [
    ...layers,
    ...walks,
    {
      name: 'no-deep-import',
      severity: 'error',
      comment: 'another package is used through its published entries',
      from: { path: '^(?:packages/([^/]+)|bench|examples|interop)/' },
      to: {
        path: '^packages/([^/]+)/',
        pathNot: ['^packages/$1/', '^packages/[^/]+/dist/(index|testing)\\.(js|d\\.ts)$'],
      },
    },
    {
      name: 'no-testing-in-sources',
      severity: 'error',
      comment: 'fakes stay in tests',
      from: { path: '^packages/[^/]+/src/', pathNot: '^packages/[^/]+/src/testing(\\.ts|/)' },
      to: { path: '^packages/[^/]+/(dist/testing\\.|src/testing(\\.ts|/))' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'modules form no cycle, not of types either',
      from: { pathNot: `^packages/${any(cyclicTypes)}/` },
      to: { circular: true },
    },
    {
      name: 'no-circular-at-run-time',
      severity: 'error',
      comment: 'modules form no cycle at run time',
      from: { path: `^packages/${any(cyclicTypes)}/` },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'grpc-only-where-sockets-are',
      severity: 'error',
      comment: 'grpc-js lives in the packages that hold sockets',
      from: { path: '^packages/[^/]+/src/', pathNot: `^packages/${any(grpcUsers)}/` },
      to: { path: '@grpc/grpc-js' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'build first; every import exists',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
}

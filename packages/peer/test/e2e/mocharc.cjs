'use strict'

/** Those that take longest are begun first. */
const first = ['rules', 'rollback', 'recovery', 'known', 'standstill', 'crash']
/** What is most likely to differ between versions of Node: processes, signals, files, sockets, texts. */
const ofNode = ['crash', 'disk', 'intruders', 'machine', 'main-job', 'odd-inputs']

const all = [`test/e2e/@(${first.join('|')}).spec.ts`, `test/e2e/!(${first.join('|')}).spec.ts`]

module.exports = {
  'node-option': ['import=tsx'],
  extension: ['ts'],
  // HEDDLE_E2E=node: a second run, with another version of Node, in the time that CI has.
  spec: process.env.HEDDLE_E2E === 'node' ? [`test/e2e/@(${ofNode.join('|')}).spec.ts`] : all,
  reporter: '../../tooling/config/reporter.cjs',
  'forbid-only': true,
  'forbid-pending': true,
  parallel: true,
  jobs: 3,
  timeout: 30_000,
}

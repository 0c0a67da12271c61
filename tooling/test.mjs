// `npm test`: installs, builds, runs the suites of all packages, and counts them.
import { install, pnpm } from './with-pnpm.mjs'
import { clearResults, sumResults } from './results.mjs'

install()
clearResults()
const status = pnpm([
  'turbo',
  'run',
  'test',
  'test:e2e',
  '--continue',
  // Of test:e2e two files run at a time, which wait half of it.
  '--concurrency=3',
  ...process.argv.slice(2),
])
const { passed, failed, missing } = sumResults()
for (const suite of missing)
  process.stderr.write(`no result from ${suite}: its suite did not end\n`)
process.stdout.write(`\n${passed} passed, ${failed + missing.length} failed\n`)
process.exit(status !== 0 || failed > 0 || missing.length > 0 ? 1 : 0)

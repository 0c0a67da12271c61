// The whole CI run: `npm test`, then every other check, each reported, and the sum of all at the end.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sumResults } from '../results.mjs'
import { install, pnpm } from '../with-pnpm.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const total = { passed: 0, failed: 0 }
const failures = []

function step(title, action) {
  process.stdout.write(`\n=== ${title}\n`)
  const started = Date.now()
  const ok = action() === 0
  total[ok ? 'passed' : 'failed'] += 1
  if (!ok) failures.push(title)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  process.stdout.write(`=== ${title}: ${ok ? 'passed' : 'FAILED'} in ${seconds} s\n`)
}

/** Runs a command with the terminal as its output; returns its exit status. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (result.error) process.stderr.write(`${command}: ${result.error.message}\n`)
  return result.status ?? 1
}

/** Runs the suites, and adds the tests that they counted to the sum. */
function suites(title, command, args) {
  step(title, () => {
    const status = run(command, args)
    const { passed, failed, missing } = sumResults()
    total.passed += passed
    total.failed += failed + missing.length
    return status
  })
}

function generatedCodeIsCurrent() {
  const status = pnpm(['--filter', '@heddle/proto', 'generate'])
  return status || run('git', ['diff', '--exit-code', '--stat', '--', 'packages/proto/src/gen'])
}

function startFromCleanClone() {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-clone-'))
  try {
    const clone = join(folder, 'clone')
    const env = { ...process.env, HOME: folder }
    if (run('git', ['clone', '-q', root, clone]) !== 0) return 1
    return run('npm', ['start', '--', '--exit'], { cwd: clone, env })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

suites('npm test', 'npm', ['test'])
install()
step('types', () => pnpm(['turbo', 'run', 'typecheck', '--output-logs=errors-only']))
step('lint', () => pnpm(['exec', 'eslint', '.', '--max-warnings', '0']))
step('format', () => pnpm(['exec', 'prettier', '--check', '.']))
step('boundaries', () => pnpm(['exec', 'node', 'tooling/boundaries/check.mjs']))
step('links', () => pnpm(['exec', 'node', 'tooling/links/check.mjs']))
step('unused code', () => pnpm(['exec', 'knip', '--no-config-hints']))
step('generated code', generatedCodeIsCurrent)
step('package checks', () => pnpm(['turbo', 'run', 'pkgcheck', '--output-logs=errors-only']))
step('published packages', () => pnpm(['exec', 'node', 'tooling/published/check.mjs']))
step('npm start from a clean clone', startFromCleanClone)
// Of the e2e suites those that may differ between versions of Node.
process.env['HEDDLE_E2E'] = 'node'
suites('npm test on Node 24', 'npx', ['--yes', '-p', 'node@24', 'node', 'tooling/test.mjs'])

for (const title of failures) process.stderr.write(`failed: ${title}\n`)
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed\n`)
process.exit(total.failed === 0 ? 0 : 1)

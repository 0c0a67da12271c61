// Runs pnpm at the version that package.json pins, on a machine that has only node and npm.
// `node tooling/with-pnpm.mjs turbo run build` = install from the lockfile, then `pnpm turbo run build`.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { requireNode } from '../packages/peer/bin/required-node.js'

requireNode('heddle', new URL('../package.json', import.meta.url))

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const version = manifest.packageManager.split('+')[0]

const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1' }
// An outer `npx -p node@24 npm test` exports these, and they would break the inner npx.
for (const key of ['npm_config_package', 'npm_config_call']) delete env[key]
// turbo must not replay the result of another Node version.
env.HEDDLE_NODE_VERSION = process.version

const insidePnpm = (process.env.npm_config_user_agent ?? '').startsWith(version.replace('@', '/'))

/** Runs `pnpm ...args`; returns the exit status. `stdio` as in child_process. */
export function pnpm(args, { stdio = 'inherit', extraEnv = {} } = {}) {
  const [command, prefix] = insidePnpm
    ? ['pnpm', []]
    : ['npx', ['--yes', `--package=${version}`, '--', 'pnpm']]
  const result = spawnSync(command, [...prefix, ...args], {
    cwd: root,
    stdio,
    env: { ...env, ...extraEnv },
    shell: process.platform === 'win32',
  })
  if (result.error) {
    process.stderr.write(`cannot run ${command}: ${result.error.message}; is npm on the PATH?\n`)
    return 1
  }
  return result.status ?? 1
}

/** Installs what the lockfile names, unless pnpm itself started us. Ends the process on failure. */
export function install({ stdio } = {}) {
  if (insidePnpm) return
  const status = pnpm(['install', '--frozen-lockfile', '--reporter=append-only'], { stdio })
  if (status !== 0) process.exit(status)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  install()
  process.exit(pnpm(process.argv.slice(2)))
}

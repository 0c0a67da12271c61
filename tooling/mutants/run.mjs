// `pnpm mutants PACKAGE [FILE …]`: breaks the package line by line and counts what its tests notice.
// Survivors stand in justified/PACKAGE.json with a reason, or are printed and fail the run.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge, print } from './report.mjs'
import { copyWorkspace } from './scratch.mjs'
import { targets } from './targets.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('../..', import.meta.url))
const [name, ...only] = process.argv.slice(2)
const target = targets[name]
if (target === undefined) {
  process.stderr.write(
    `usage: pnpm mutants PACKAGE [FILE …]; packages: ${Object.keys(targets).join(', ')}\n`,
  )
  process.exit(2)
}

/** Stryker, installed at the versions of this folder's package.json, beside it and not in the workspace. */
function installStryker() {
  const modules = join(here, 'node_modules')
  if (existsSync(join(modules, '@stryker-mutator/core'))) return modules
  const args = [
    'install',
    '--ignore-scripts',
    '--no-package-lock',
    '--legacy-peer-deps',
    '--no-audit',
    '--no-fund',
  ]
  execFileSync('npm', args, { cwd: here, stdio: 'inherit' })
  return modules
}

function configOf(modules) {
  return {
    testRunner: 'mocha',
    plugins: [join(modules, '@stryker-mutator/mocha-runner/dist/src/index.js')],
    mochaOptions: { spec: target.spec, extension: ['ts'], 'no-config': true },
    testRunnerNodeArgs: ['--import', join(modules, 'tsx/dist/loader.mjs')],
    mutate: only.length > 0 ? only : target.mutate,
    inPlace: true, // it is a copy already, and Stryker's own would not find ../../tooling
    coverageAnalysis: 'perTest',
    timeoutMS: 20_000, // on a busy machine one that survives must not pass for one that hangs
    concurrency: Number(process.env.MUTANTS_CONCURRENCY ?? availableParallelism()),
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: 'mutants.json' },
    allowEmpty: false,
  }
}

function justifiedOf(packageName) {
  const path = join(here, 'justified', `${packageName}.json`)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []
}

const modules = installStryker()
const copy = copyWorkspace(root)
let good
try {
  const cwd = join(copy, 'packages', name)
  writeFileSync(join(cwd, 'stryker.config.json'), JSON.stringify(configOf(modules)))
  const stryker = join(modules, '@stryker-mutator/core/bin/stryker.js')
  const { status } = spawnSync(process.execPath, [stryker, 'run'], { cwd, stdio: 'inherit' })
  const report = readFileSync(join(cwd, 'mutants.json'), 'utf8')
  mkdirSync(join(root, '.results'), { recursive: true })
  writeFileSync(join(root, '.results', `mutants-${name}.json`), report)
  good =
    print(judge(JSON.parse(report), justifiedOf(name)), (text) => process.stdout.write(text)) &&
    status === 0
} finally {
  rmSync(copy, { recursive: true, force: true })
}
process.exit(good ? 0 : 1)

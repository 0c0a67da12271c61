// Publishes every package to a registry on this machine. Then, in an empty project each, installs what its
// README says, checks the types as each kind of user does, and runs what the README shows, as an ES module
// and as CommonJS. Needs a build.
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { examplesOf, installedBy, toCommonJs } from './examples.mjs'
import { faultsOf } from './manifest.mjs'
import { npmrcFor, publishAll, startRegistry } from './registry.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'heddle-published-'))
const npmrc = join(folder, 'npmrc')
const env = { ...process.env, NPM_CONFIG_USERCONFIG: npmrc, npm_config_userconfig: npmrc }
// An outer `pnpm exec` names its registry and settings.
for (const key of Object.keys(env))
  if (/^(npm|pnpm)_config_(?!userconfig)/i.test(key)) delete env[key]

const tsc = join(root, 'node_modules/typescript/bin/tsc')
const timeout = 300_000
let passed = 0
let failed = 0

/** Runs a command in a folder, and counts it. */
function check(title, command, args, cwd) {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, timeout, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) passed += 1
      else {
        failed += 1
        process.stderr.write(`FAILED ${title}\n${error.message}\n${stdout}${stderr}\n`)
      }
      resolve(error === null)
    })
  })
}

/** Runs a command that all the rest needs. */
function must(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout })
  if (result.status === 0) return
  throw new Error(`${command} ${args.join(' ')}\n${result.stdout}${result.stderr}`)
}

const resolutions = [
  { module: 'node16', moduleResolution: 'node16' },
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'preserve', moduleResolution: 'bundler' },
]

/** Checks the types of `files` in every way in which modules are found; all of what they import, too. */
async function checkTypes(title, project, files, types = []) {
  for (const each of resolutions) {
    const compilerOptions = {
      ...{ ...each, target: 'ES2022', lib: ['ES2022', 'ESNext.Disposable'], strict: true },
      ...{ types, skipLibCheck: false, outDir: each.module, rootDir: '.' },
    }
    const config = `tsconfig.${each.module}.json`
    writeFileSync(join(project, config), JSON.stringify({ compilerOptions, files }))
    await check(
      `${title}, ${each.moduleResolution}`,
      process.execPath,
      [tsc, '-p', config],
      project,
    )
  }
}

/** Every entry of a package but its manifest. */
function entriesOf(name) {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
  return Object.keys(manifest.exports)
    .filter((path) => path !== './package.json')
    .map((path) => `@heddle/${name}${path.slice(1)}`)
}

/** A CommonJS program that fails when `require` gives less than `import`. */
const requiring = (entry) => `
const required = Object.keys(require('${entry}'))
import('${entry}').then((imported) => {
  const missing = Object.keys(imported)
    .filter((key) => !required.includes(key) && !['default', 'module.exports'].includes(key))
  if (missing.length > 0) throw new Error('require() lacks ' + missing.join(', '))
})`

function checkManifest(name, project) {
  const faults = faultsOf(join(project, 'node_modules/@heddle', name))
  if (faults.length === 0) passed += 1
  else {
    failed += 1
    process.stderr.write(`FAILED manifest of ${name}\n${faults.join('\n')}\n`)
  }
}

async function checkEntries(name, project) {
  const entries = entriesOf(name)
  const imports = entries.map(
    (entry, at) => `import * as entry${at} from '${entry}'\nvoid entry${at}\n`,
  )
  writeFileSync(join(project, 'entries.mts'), imports.join(''))
  await checkTypes(`types of ${name}`, project, ['entries.mts'])
  for (const [at, entry] of entries.entries()) {
    writeFileSync(join(project, `require-${at}.cjs`), requiring(entry))
    await check(`require('${entry}')`, process.execPath, [`require-${at}.cjs`], project)
  }
}

async function checkExamples(name, readme, project) {
  const examples = examplesOf(readme)
  if (examples.length === 0)
    await check(`${name}: its README shows an example`, 'false', [], project)
  const files = examples.map((code, at) => {
    writeFileSync(join(project, `example-${at}.mts`), code)
    return `example-${at}.mts`
  })
  await checkTypes(`examples of ${name}`, project, [...files, 'entries.mts'], ['node'])
  for (const [at] of examples.entries()) {
    const compiled = join('nodenext', `example-${at}.mjs`)
    await check(`example ${at + 1} of ${name} as ESM`, process.execPath, [compiled], project)
    const commonJs = toCommonJs(readFileSync(join(project, compiled), 'utf8'))
    writeFileSync(join(project, `example-${at}.cjs`), commonJs)
    await check(
      `example ${at + 1} of ${name} as CommonJS`,
      process.execPath,
      [`example-${at}.cjs`],
      project,
    )
  }
}

async function checkPackage(name) {
  const readme = readFileSync(join(root, 'packages', name, 'README.md'), 'utf8')
  const project = join(folder, name)
  mkdirSync(project)
  must('npm', ['init', '-y'], project)
  const packages = installedBy(readme)
  if (!(await check(`npm install ${packages.join(' ')}`, 'npm', ['install', ...packages], project)))
    return
  checkManifest(name, project)
  await checkEntries(name, project)
  must('npm', ['install', '--save-dev', '@types/node@22'], project)
  await checkExamples(name, readme, project)
}

const names = readdirSync(join(root, 'packages'))
let registry
try {
  registry = await startRegistry(join(folder, 'registry'), must)
  writeFileSync(npmrc, npmrcFor(registry.url))
  publishAll(
    names.map((name) => join(root, 'packages', name)),
    { folder, run: must },
  )
  const queue = [...names]
  const work = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift())
      await checkPackage(name)
  }
  await Promise.all([work(), work()])
} catch (error) {
  failed += 1
  process.stderr.write(`${error.message}\n`)
} finally {
  registry?.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.stdout.write(`published: ${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)

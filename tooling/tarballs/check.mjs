// Packs every package, installs the tarballs into an empty npm project, and runs there what each
// README shows: type-checked, then as an ES module and as CommonJS. Needs a build.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { examplesOf, toCommonJs } from './examples.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const names = readdirSync(join(root, 'packages'))
const exampleTimeoutMs = 60_000

let passed = 0
let failed = 0
function report(title, { status, error, stdout = '', stderr = '' }) {
  if (status === 0) passed += 1
  else {
    failed += 1
    process.stderr.write(`FAILED ${title}\n${error?.message ?? ''}${stdout}${stderr}\n`)
  }
}

const project = mkdtempSync(join(tmpdir(), 'heddle-tarballs-'))
const run = (command, args, cwd = project, timeout = exampleTimeoutMs) =>
  spawnSync(command, args, { cwd, encoding: 'utf8', timeout })

function must(title, result) {
  if (result.status === 0) return
  process.stderr.write(`${title} failed\n${result.stdout}${result.stderr}\n`)
  process.exit(1)
}

function pack() {
  const tarballs = join(project, 'tarballs')
  mkdirSync(tarballs)
  for (const name of names) {
    const args = ['pack', '--pack-destination', tarballs]
    must(`packing ${name}`, run('pnpm', args, join(root, 'packages', name)))
  }
  return readdirSync(tarballs).map((file) => join(tarballs, file))
}

function install(tarballs) {
  const dependencies = {}
  for (const name of names) {
    const file = tarballs.find((path) => path.includes(`heddle-${name}-`))
    dependencies[`@heddle/${name}`] = `file:${file}`
  }
  const manifest = { name: 'empty', private: true, type: 'module', dependencies }
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest))
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', 'typescript@6.0.3']
  must('npm install of the tarballs', run('npm', [...args, '@types/node@20'], project, 300_000))
}

function writeExamples() {
  const titles = []
  mkdirSync(join(project, 'readme'))
  for (const name of names) {
    const readme = readFileSync(join(root, 'packages', name, 'README.md'), 'utf8')
    const examples = examplesOf(readme)
    if (examples.length === 0) report(`${name}: its README shows no example`, { status: 1 })
    examples.forEach((code, index) => {
      const title = `${name}-${index + 1}`
      titles.push(title)
      writeFileSync(join(project, 'readme', `${title}.ts`), code)
    })
  }
  return titles
}

function compile() {
  const compilerOptions = {
    target: 'ES2022',
    module: 'NodeNext',
    strict: true,
    types: ['node'],
    lib: ['ES2022', 'ESNext.Disposable'],
    skipLibCheck: true,
    outDir: 'out',
    rootDir: 'readme',
  }
  const config = JSON.stringify({ compilerOptions, include: ['readme'] })
  writeFileSync(join(project, 'tsconfig.json'), config)
  return run('npx', ['tsc', '-p', 'tsconfig.json'], project, 300_000)
}

function requireEach() {
  for (const name of names) {
    const script =
      `const required = Object.keys(require('@heddle/${name}')).filter((key) => key !== '__esModule')\n` +
      `import('@heddle/${name}').then((imported) => {\n` +
      `  const missing = Object.keys(imported).filter((key) => !required.includes(key) && key !== 'default' && key !== 'module.exports')\n` +
      `  if (missing.length > 0) throw new Error('require() lacks ' + missing.join(', '))\n` +
      `})\n`
    writeFileSync(join(project, `require-${name}.cjs`), script)
    report(`require('@heddle/${name}')`, run(process.execPath, [`require-${name}.cjs`]))
  }
}

try {
  install(pack())
  const titles = writeExamples()
  report('type check of the README examples', compile())
  requireEach()
  for (const title of titles) {
    report(`${title} as ESM`, run(process.execPath, [join('out', `${title}.js`)]))
    const commonJs = toCommonJs(readFileSync(join(project, 'out', `${title}.js`), 'utf8'))
    writeFileSync(join(project, 'out', `${title}.cjs`), commonJs)
    report(`${title} as CommonJS`, run(process.execPath, [join('out', `${title}.cjs`)]))
  }
} finally {
  rmSync(project, { recursive: true, force: true })
}
process.stdout.write(`tarballs: ${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)

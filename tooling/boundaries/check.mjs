// Checks that packages import each other only downwards, only through published entries, and in no
// cycle. Needs `pnpm install` and a build. Proves first, on small wrong trees, that each rule can fail.
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise } from 'dependency-cruiser'
import { missingLinks } from './links.mjs'
import { rows, ruleSet } from './rules.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

async function violations(baseDir, paths) {
  const { output } = await cruise(paths, {
    baseDir,
    ruleSet,
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', 'dist'] },
    exclude: { path: ['/dist/(?!index|testing)', '/fixtures/'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'default'],
      extensions: ['.ts', '.js', '.d.ts'],
    },
  })
  return { modules: output.summary.totalCruised, found: output.summary.violations }
}

/** Each tree breaks one rule; the check must say so, by that rule's name. */
const wrongTrees = {
  'direction-events': {
    'packages/events/src/index.ts': "import { pbft } from '../../pbft/dist/index.js'\npbft\n",
    'packages/pbft/dist/index.js': 'export const pbft = 1\n',
  },
  'direction-deliver': {
    'packages/deliver/src/index.ts': "import { serve } from '../../orderer/dist/index.js'\nserve\n",
    'packages/orderer/dist/index.js': 'export const serve = 1\n',
  },
  'direction-msp': {
    'packages/msp/src/index.ts':
      "import type { P } from '../../listener/dist/index.js'\nexport type Q = P\n",
    'packages/listener/dist/index.d.ts': 'export type P = 1\n',
    'packages/listener/dist/index.js': 'export {}\n',
  },
  'no-deep-import': {
    'packages/pbft/src/index.ts': "import { secret } from '../../proto/src/secret.js'\nsecret\n",
    'packages/proto/src/secret.js': 'export const secret = 1\n',
  },
  'no-testing-in-sources': {
    'packages/pbft/src/index.ts': "import { fake } from '../../events/dist/testing.js'\nfake\n",
    'packages/events/dist/testing.js': 'export const fake = 1\n',
  },
  'no-circular': {
    'packages/comm/src/a.ts': "import type { B } from './b.ts'\nexport type A = B\n",
    'packages/comm/src/b.ts': "import type { A } from './a.ts'\nexport type B = A\n",
  },
  'no-circular-at-run-time': {
    'packages/pbft/src/a.ts': "import { b } from './b.ts'\nexport const a = () => b\n",
    'packages/pbft/src/b.ts': "import { a } from './a.ts'\nexport const b = () => a\n",
  },
  'grpc-only-where-sockets-are': {
    'packages/pbft/src/index.ts': "import '../../../node_modules/@grpc/grpc-js/index.js'\n",
    'node_modules/@grpc/grpc-js/index.js': 'export {}\n',
  },
  'rooms-pbft-requests': {
    'packages/pbft/src/requests/a.ts': "import type { B } from '../out/b.ts'\nexport type A = B\n",
    'packages/pbft/src/out/b.ts': 'export type B = 1\n',
  },
  resolvable: { 'packages/pbft/src/index.ts': "import './nowhere.ts'\n" },
}

/** The same package, before and after its dependencies were linked. */
const unlinked = { 'packages/pbft/package.json': '{"dependencies": {"@heddle/proto": "*"}}' }
const linked = { ...unlinked, 'packages/pbft/node_modules/@heddle/proto/package.json': '{}' }

/** What `look` says of a folder with these files. */
async function inTree(tree, look) {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-boundaries-'))
  try {
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return await look(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function ruleThatFails(name, tree) {
  const { found } = await inTree(tree, (folder) => violations(folder, ['packages']))
  return found.some((violation) => violation.rule.name === name)
}

let failed = 0
for (const [name, tree] of Object.entries(wrongTrees)) {
  if (await ruleThatFails(name, tree)) continue
  failed += 1
  process.stderr.write(`rule ${name} does not see a tree that breaks it\n`)
}
for (const [tree, expected] of [
  [unlinked, 'packages/pbft: @heddle/proto'],
  [linked, ''],
]) {
  const missing = await inTree(tree, (folder) => missingLinks(folder, ['packages/pbft', 'bench']))
  if (missing.join() === expected) continue
  failed += 1
  process.stderr.write(`missing links: "${missing.join()}" instead of "${expected}"\n`)
}

const packages = rows.flat().map((name) => `packages/${name}`)
const others = ['bench', 'examples', 'interop']
const missing = missingLinks(root, [...packages, ...others])
if (missing.length > 0) {
  // Each import of them would look like a violation.
  process.stderr.write(`dependencies are not linked: run pnpm install\n${missing.join('\n')}\n`)
  process.exit(1)
}

const sources = [...packages.map((folder) => `${folder}/src`), ...others]
const { modules, found } = await violations(root, sources)
for (const { rule, from, to } of found) process.stderr.write(`${rule.name}: ${from} -> ${to}\n`)
if (modules < 50) {
  failed += 1
  process.stderr.write(`only ${modules} modules were read; is everything built?\n`)
}
failed += found.length
process.stdout.write(`${modules} modules, ${found.length} violations, ${failed} failures\n`)
process.exit(failed === 0 ? 0 : 1)

// Checks what the pages of this repository (all *.md) link to: files, headings, and the names of code
// beside a link; that each package has a table of its rules; and that all of it is near the first page.
// Proves first, on small wrong trees, that each check can fail.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { problemsOf } from './pages.mjs'
import { wrongTrees, goodTree } from './trees.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

const inTree = (tree) => problemsOf(Object.keys(tree), (path) => tree[path])

let failed = 0
function fail(message) {
  failed += 1
  process.stderr.write(`${message}\n`)
}

for (const [expected, tree] of Object.entries(wrongTrees)) {
  const found = inTree({ ...goodTree, ...tree })
  if (!found.some((problem) => problem.includes(expected)))
    fail(`a tree passes that should not: "${expected}", found: ${found.join('; ')}`)
}
for (const problem of inTree(goodTree)) fail(`a tree fails that should not: ${problem}`)

// What is not in the repository is not there for whoever reads it on the web.
const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
const paths = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean)
const texts = new Map()
function read(path) {
  if (!texts.has(path)) texts.set(path, readFileSync(join(root, path), 'utf8'))
  return texts.get(path)
}
const problems = problemsOf(paths, read)
for (const problem of problems) fail(problem)
const pages = paths.filter((path) => path.endsWith('.md')).length
process.stdout.write(`${pages} pages, ${problems.length} problems, ${failed} failures\n`)
process.exit(failed === 0 ? 0 : 1)

// Sums up what the suites left in `<package>/.results`.
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'

const root = fileURLToPath(new URL('..', import.meta.url))

function suites() {
  const packages = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name))
  return [...packages, join(root, 'examples'), join(root, 'interop')].filter((folder) =>
    existsSync(join(folder, 'package.json')),
  )
}

/** Forgets earlier counts, so that only what runs now is counted. */
export function clearResults() {
  for (const folder of suites()) rmSync(join(folder, '.results'), { recursive: true, force: true })
}

/** `{passed, failed, missing}`: the sums, and the suites that left no count (they did not end). */
export function sumResults() {
  const total = { passed: 0, failed: 0, missing: [] }
  for (const folder of suites()) {
    const { scripts = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    for (const script of Object.keys(scripts).filter((name) => /^test(:|$)/.test(name))) {
      const file = join(folder, '.results', `${script.replace(':', '-')}.json`)
      if (!existsSync(file)) {
        total.missing.push(`${folder.slice(root.length)} ${script}`)
        continue
      }
      const { passes, failures } = JSON.parse(readFileSync(file, 'utf8'))
      total.passed += passes
      total.failed += failures
    }
  }
  return total
}

// Parsed by any Node that knows modules (12 and above): what needs more is imported afterwards.
import { readFileSync } from 'node:fs'

/** Exit status: a program that is needed is not there (EX_UNAVAILABLE of sysexits.h). */
const unavailable = 69

/**
 * Whether a version is in a range of the kind that `engines` has here: `^20.19.0 || >=22.12.0`.
 *
 * @param {string} version
 * @param {string} range
 * @returns {boolean}
 */
export function fits(version, range) {
  return range.split('||').some((part) => {
    const least = part.trim().replace(/^(\^|>=)/, '')
    const sameMajor = version.split('.')[0] === least.split('.')[0]
    return (sameMajor || part.trim().startsWith('>=')) && compare(version, least) >= 0
  })
}

function compare(one, other) {
  const [a, b] = [one, other].map((version) => version.split('.').map((part) => parseInt(part, 10)))
  const different = [0, 1, 2].find((index) => (a[index] || 0) !== (b[index] || 0))
  return different === undefined ? 0 : (a[different] || 0) - (b[different] || 0)
}

/**
 * Ends the process with one sentence when this Node is not one that the package supports.
 *
 * @param {string} program - what the person called
 * @param {URL} manifest - the package.json whose `engines` counts
 */
export function requireNode(program, manifest) {
  const { engines } = JSON.parse(readFileSync(manifest, 'utf8'))
  const { node } = process.versions
  if (fits(node, engines.node)) return
  const wanted = engines.node
    .replace(/\^(\d+)\.(\d+)\.\d+ \|\|/g, '$1.$2 or a later $1, or')
    .replace(/>=(\d+\.\d+)\.\d+/g, '$1 or newer')
  process.stderr.write(`${program} needs Node ${wanted}; this is Node ${node}\n`)
  process.exit(unavailable)
}

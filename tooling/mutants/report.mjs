// Reads Stryker's report: how many mutants of each file were killed, and which were not.
import { leastKilled } from './targets.mjs'

const killed = new Set(['Killed', 'Timeout', 'RuntimeError'])
const alive = new Set(['Survived', 'NoCoverage'])

/** The text that a mutant replaces. */
function textAt(source, { start, end }) {
  const lines = source.split('\n').slice(start.line - 1, end.line)
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column - 1)
  return lines.join('\n').slice(start.column - 1)
}

/** A survivor is named by its texts, not by its line, so that lines may move. */
function survivorOf(file, source, { mutatorName, replacement, location, status }) {
  const original = textAt(source, location)
  return { file, line: location.start.line, mutator: mutatorName, original, replacement, status }
}

const isSame = (a, b) =>
  ['file', 'mutator', 'original', 'replacement'].every((key) => a[key] === b[key])

/**
 * @param report - Stryker's JSON report
 * @param justified - survivors that change nothing that anybody can see, each with its reason
 */
export function judge(report, justified) {
  const files = []
  const open = []
  const used = new Set()
  for (const [file, { source, mutants }] of Object.entries(report.files)) {
    const survivors = mutants
      .filter(({ status }) => alive.has(status))
      .map((mutant) => survivorOf(file, source, mutant))
    const dead = mutants.filter(({ status }) => killed.has(status)).length
    const all = dead + survivors.length
    for (const survivor of survivors) {
      const reason = justified.find((each) => isSame(each, survivor))
      if (reason === undefined) open.push(survivor)
      else used.add(reason)
    }
    files.push({ file, dead, all, percent: all === 0 ? 100 : (100 * dead) / all })
  }
  const stale = justified.filter(
    (each) => files.some(({ file }) => file === each.file) && !used.has(each),
  )
  return { files, open, stale }
}

/** Prints the verdict; returns whether it is good. */
export function print({ files, open, stale }, write) {
  for (const { file, dead, all, percent } of files) {
    const mark = percent < leastKilled ? `  below ${leastKilled} %` : ''
    write(
      `${percent.toFixed(1).padStart(6)} %  ${String(dead).padStart(4)} of ${all}  ${file}${mark}\n`,
    )
  }
  const dead = files.reduce((sum, each) => sum + each.dead, 0)
  const all = files.reduce((sum, each) => sum + each.all, 0)
  write(`${((100 * dead) / (all || 1)).toFixed(1).padStart(6)} %  ${dead} of ${all} in all\n`)
  for (const { file, line, mutator, original, replacement, status } of open)
    write(
      `\n${file}:${line} ${status}, ${mutator}, not justified\n- ${original}\n+ ${replacement}\n`,
    )
  for (const { file, original, replacement } of stale)
    write(`\n${file}: justified, but it no longer survives: ${original} -> ${replacement}\n`)
  return (
    all > 0 &&
    open.length === 0 &&
    stale.length === 0 &&
    files.every(({ percent }) => percent >= leastKilled)
  )
}

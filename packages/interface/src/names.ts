/**
 * The known name that a mistyped one most likely meant: one of the same letters, or one from which all
 * that differs is within two characters in a row. Undefined when there is none.
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const letters = name.toLowerCase()
  return (
    known.find((each) => each.toLowerCase() === letters) ?? known.find((each) => isNear(each, name))
  )
}

/**
 * What is wrong with the names of options, as the message of an error: a mistyped option would be none,
 * and its default would be taken without a word. Undefined when all are known.
 *
 * @param known - the names that there are
 * @param within - the option that holds these, such as `tls`; default: they are the options themselves
 */
export function unknownOption(
  options: unknown,
  known: readonly string[],
  within?: string,
): string | undefined {
  if (typeof options !== 'object' || options === null)
    return within === undefined ? 'the options are not an object' : `${within} is not an object`
  const name = Object.keys(options).find((each) => !known.includes(each))
  if (name === undefined) return undefined
  const path = (each: string): string => (within === undefined ? each : `${within}.${each}`)
  const near = nearestName(name, known)
  const meant = near === undefined ? '' : ` (did you mean ${path(near)}?)`
  return `there is no option ${path(name)}${meant}; there are ${known.map(path).join(', ')}`
}

function isNear(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length)
  let same = 0
  while (same < shorter && a[same] === b[same]) same++
  let sameAtEnd = 0
  while (sameAtEnd < shorter - same && a.at(-1 - sameAtEnd) === b.at(-1 - sameAtEnd)) sameAtEnd++
  return Math.max(a.length, b.length) - same - sameAtEnd <= 2
}

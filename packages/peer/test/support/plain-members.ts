/** The index after the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Texts between the colons and commas of an object itself, its braces taken off. */
function partsOf(inside: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < inside.length;) {
    const character = inside.charAt(at)
    if ('{['.includes(character)) depth++
    if ('}]'.includes(character)) depth--
    if (depth === 0 && ',:'.includes(character)) {
      parts.push(inside.slice(start, at).trim())
      start = at + 1
    }
    at = character === '"' ? endOfString(inside, at) : at + 1
  }
  return [...parts, inside.slice(start).trim()]
}

/**
 * Names and sources of the members of a valid JSON object, duplicates and all: one character after
 * the other, to hold what is fast against.
 */
export function plainMembers(text: string): [name: string, source: string][] {
  const parts = partsOf(text.trim().slice(1, -1))
  const members: [string, string][] = []
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const [name = '', source = ''] = parts.slice(index, index + 2)
    members.push([JSON.parse(name) as string, source])
  }
  return members
}

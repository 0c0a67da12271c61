import { PeerError, messageOf } from '../../errors.ts'

/** A member of a JSON object: what it means, and how it was written. */
export class JsonMember {
  /** The source text of the value, so that no digit of a long number is lost. */
  readonly source: string

  /** @param source - valid JSON */
  constructor(source: string) {
    this.source = source
  }

  /** Parsed each time it is asked for: of most members nobody asks. */
  get value(): unknown {
    return JSON.parse(this.source) as unknown
  }
}

const [quote, comma, backslash] = [0x22, 0x2c, 0x5c]
const [bracket, bracketEnd, brace, braceEnd] = [0x5b, 0x5d, 0x7b, 0x7d]
// All white space of JSON is at or below it, and nothing else is outside of strings.
const space = 0x20

// All that follows walks through text that is known to be valid JSON; beyond its end there is NaN.

/** Whether the character at `at`, inside a string, comes after an odd number of backslashes. */
function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === backslash) first--
  return (at - first) % 2 === 1
}

/** The index after the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end + 1
}

/** The index after the number, `true`, `false` or `null` that starts at `start`. */
function endOfWord(text: string, start: number): number {
  let at = start + 1
  for (;;) {
    const code = text.charCodeAt(at)
    if (code <= space || code === comma || code === braceEnd) return at
    at++
  }
}

/** The index after the object or array that starts at `start`. */
function endOfNested(text: string, start: number): number {
  let depth = 0
  let at = start
  for (;;) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = endOfString(text, at)
      continue
    }
    if (code === brace || code === bracket) depth++
    if (code === braceEnd || code === bracketEnd) depth--
    at++
    if (depth === 0) return at
  }
}

/** The index after the value of a member that starts at `start`. */
function endOfValue(text: string, start: number): number {
  const code = text.charCodeAt(start)
  if (code === quote) return endOfString(text, start)
  return code === brace || code === bracket ? endOfNested(text, start) : endOfWord(text, start)
}

/** The index of the first character from `start` on that is not white space. */
function skip(text: string, start: number): number {
  let at = start
  while (text.charCodeAt(at) <= space) at++
  return at
}

function assertObject(text: string): void {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new PeerError('PEER_BAD_LINE', `not JSON: ${messageOf(error)}`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new PeerError('PEER_BAD_LINE', `not a JSON object: ${text.slice(0, 40)}`)
  }
}

/** What a string of JSON with its quotes means; without a backslash it means what it says. */
function nameOf(source: string): string {
  return source.includes('\\') ? (JSON.parse(source) as string) : source.slice(1, -1)
}

/**
 * Reads a JSON object into its members, in the order of the text, keeping the source of each value:
 * `JSON.parse` alone would round an integer above 2^53.
 *
 * @throws {PeerError} PEER_BAD_LINE when the text is no JSON object or names a member twice
 */
export function jsonMembers(text: string): Map<string, JsonMember> {
  assertObject(text)
  const members = new Map<string, JsonMember>()
  let at = skip(text, skip(text, 0) + 1)
  while (text.charCodeAt(at) === quote) {
    const nameEnd = endOfString(text, at)
    const name = nameOf(text.slice(at, nameEnd))
    const start = skip(text, skip(text, nameEnd) + 1)
    const end = endOfValue(text, start)
    if (members.has(name)) {
      throw new PeerError('PEER_BAD_LINE', `names ${JSON.stringify(name)} twice`)
    }
    members.set(name, new JsonMember(text.slice(start, end)))
    const next = skip(text, end)
    at = text.charCodeAt(next) === comma ? skip(text, next + 1) : next
  }
  return members
}

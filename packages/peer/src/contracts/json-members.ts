import { PeerError, messageOf } from '../errors.ts'

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

const whitespace = new Set([' ', '\t', '\n', '\r'])

/** The index after the string that starts at `start`; the text is known to be valid JSON. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** The index of the `,` or `}` that ends the value starting at `start`. */
function endOfValue(text: string, start: number): number {
  let depth = 0
  let at = start
  for (;;) {
    const character = text[at]
    if (character === '"') {
      at = endOfString(text, at)
      continue
    }
    if (depth === 0 && (character === ',' || character === '}')) return at
    if (character === '{' || character === '[') depth++
    if (character === '}' || character === ']') depth--
    at++
  }
}

function skip(text: string, at: number): number {
  while (whitespace.has(text[at] ?? '')) at++
  return at
}

function parseObject(text: string): object {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new PeerError('PEER_BAD_LINE', `not JSON: ${messageOf(error)}`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new PeerError('PEER_BAD_LINE', `not a JSON object: ${text.slice(0, 40)}`)
  }
  return parsed
}

/**
 * Reads a JSON object into its members, in the order of the text, keeping the source of each value:
 * `JSON.parse` alone would round an integer above 2^53.
 *
 * @throws {PeerError} PEER_BAD_LINE when the text is no JSON object or names a member twice
 */
export function jsonMembers(text: string): Map<string, JsonMember> {
  parseObject(text)
  const members = new Map<string, JsonMember>()
  let at = skip(text, skip(text, 0) + 1)
  while (text[at] === '"') {
    const nameEnd = endOfString(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    const start = skip(text, skip(text, nameEnd) + 1)
    const end = endOfValue(text, start)
    const source = text.slice(start, end).trimEnd()
    if (members.has(name))
      throw new PeerError('PEER_BAD_LINE', `names ${JSON.stringify(name)} twice`)
    members.set(name, new JsonMember(source))
    at = skip(text, text[end] === ',' ? end + 1 : end)
  }
  return members
}

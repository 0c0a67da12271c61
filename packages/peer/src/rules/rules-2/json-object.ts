import { isUtf8 } from 'node:buffer'
import { heddle } from '@heddle/proto'
import { cut } from './detail.ts'
import { endOfString, endOfValue, skip, startOfValue } from './json-text.ts'
import type { RejectionReason } from './contract.ts'

const { NOT_UTF8, NOT_JSON, NOT_AN_OBJECT, MEMBER_TWICE } = heddle.RejectionCode

/** A member as it is written, so that no digit of a long number is lost. */
export class JsonMember {
  /** The name with its quotes. */
  readonly name: string
  /** The value: valid JSON without white space around it. */
  readonly source: string

  constructor(name: string, source: string) {
    this.name = name
    this.source = source
  }

  get isNumber(): boolean {
    return /^[-0-9]/.test(this.source)
  }

  /** What a string means; undefined for any other value. */
  get text(): string | undefined {
    return this.source.startsWith('"') ? meaningOf(this.source) : undefined
  }
}

/** The members of an object by their names, in the order of the text. */
export type JsonObject = ReadonlyMap<string, JsonMember>

/** What a string means that is known to be valid JSON. */
function meaningOf(source: string): string {
  return source.includes('\\') ? (JSON.parse(source) as string) : source.slice(1, -1)
}

const refuse = (
  code: heddle.RejectionCode,
  ...details: readonly Uint8Array[]
): RejectionReason => ({ code, details })

/** A member, and the index after it. */
interface Found {
  readonly member: JsonMember
  readonly end: number
}

/** The member whose name starts at `start`; or the complement of where the text is not JSON. */
function memberAt(text: string, start: number): Found | number {
  if (text.charAt(start) !== '"') return ~start
  const nameEnd = endOfString(text, start)
  const valueStart = nameEnd < 0 ? nameEnd : startOfValue(text, nameEnd)
  const end = valueStart < 0 ? valueStart : endOfValue(text, valueStart)
  if (end < 0) return end
  const member = new JsonMember(text.slice(start, nameEnd), text.slice(valueStart, end))
  return { member, end }
}

function notJson(text: string, end: number): RejectionReason {
  return refuse(NOT_JSON, cut(text.slice(~end)))
}

/** Why text is no object that does not begin with a brace. */
function otherText(text: string, start: number): RejectionReason {
  const end = endOfValue(text, start)
  if (end < 0) return notJson(text, end)
  const behind = skip(text, end)
  return behind < text.length ? notJson(text, ~behind) : refuse(NOT_AN_OBJECT)
}

/** Reads a JSON object; or says why it is none, or names a member twice. */
export function readObject(text: string): JsonObject | RejectionReason {
  const members = new Map<string, JsonMember>()
  const start = skip(text, 0)
  if (text.charAt(start) !== '{') return otherText(text, start)
  let at = skip(text, start + 1)
  let isOpen = text.charAt(at) !== '}'
  while (isOpen) {
    const found = memberAt(text, at)
    if (typeof found === 'number') return notJson(text, found)
    const { member, end } = found
    const name = meaningOf(member.name)
    if (members.has(name)) return refuse(MEMBER_TWICE, cut(member.name))
    members.set(name, member)
    at = skip(text, end)
    isOpen = text.charAt(at) === ','
    if (isOpen) at = skip(text, at + 1)
  }
  if (text.charAt(at) !== '}') return notJson(text, ~at)
  const behind = skip(text, at + 1)
  return behind < text.length ? notJson(text, ~behind) : members
}

/** As {@link readObject}, from the bytes of a transaction. */
export function readInput(input: Uint8Array): JsonObject | RejectionReason {
  if (!isUtf8(input)) return refuse(NOT_UTF8)
  return readObject(Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString())
}

/** Whether {@link readObject} found an object. */
export function isObject(read: JsonObject | RejectionReason): read is JsonObject {
  return read instanceof Map
}

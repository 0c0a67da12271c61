import { expect } from 'chai'
import fc from 'fast-check'
import { sentenceOf } from '@heddle/client'
import { isObject, readObject } from '../../src/rules/rules-2/json-object.ts'
import { plainMembers } from '../support/plain-members.ts'

/** Names and sources; undefined when it is no object, or names a member twice. */
function sourcesOf(text: string): [string, string][] | undefined {
  const read = readObject(text)
  return isObject(read) ? [...read].map(([name, { source }]) => [name, source]) : undefined
}

function problemOf(text: string): string {
  const read = readObject(text)
  return isObject(read) ? 'none' : sentenceOf(read)
}

const gap = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 2 })

/** Strings full of what ends or seems to end something. */
const text = fc
  .array(
    fc.constantFrom(
      ...['\\\\', '\\"', '\\n', '\\u0022', '\\ud800', '\ud800', 'ä', '😀', 'a'],
      ...['{', '}', '[', ']', ',', ':', ' ', '\u2028'],
    ),
    { maxLength: 6 },
  )
  .map((parts) => `"${parts.join('')}"`)

/** Few names, so that some come twice, written in more than one way. */
const name = fc.oneof(text, fc.constantFrom('"a"', '"\\u0061"', '""', '"id"', '"__proto__"', '"1"'))

const word = fc.oneof(
  fc.constantFrom('true', 'false', 'null', '0', '-0', '1e400', '-1.50E+3', '12345678901234567890'),
  fc.bigInt().map(String),
)

const { object } = fc.letrec<{ value: string; array: string; object: string }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, word, text, tie('array'), tie('object')),
  array: fc
    .array(
      fc.tuple(gap, tie('value'), gap).map((parts) => parts.join('')),
      { maxLength: 3 },
    )
    .map((values) => `[${values.join(',')}]`),
  object: fc
    .array(
      fc
        .tuple(gap, name, gap, fc.constant(':'), gap, tie('value'), gap)
        .map((parts) => parts.join('')),
      { maxLength: 4 },
    )
    .chain((members) => gap.map((empty) => `{${members.join(',') || empty}}`)),
}))

const line = fc.tuple(gap, object, gap).map((parts) => parts.join(''))

function isPlainObject(json: string): boolean {
  try {
    const parsed: unknown = JSON.parse(json)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  } catch {
    return false
  }
}

/** That it finds what the plain reader finds, and refuses what is no object or names one twice. */
function check(json: string): void {
  const expected = isPlainObject(json) ? plainMembers(json) : undefined
  const isOnce = expected && new Set(expected.map(([each]) => each)).size === expected.length
  expect(sourcesOf(json), json).to.deep.equal(isOnce === true ? expected : undefined)
}

const number = fc
  .array(fc.constantFrom('0', '1', '9', '-', '+', '.', 'e', 'E', '05', '1e5'), { maxLength: 5 })
  .map((parts) => parts.join(''))

const escape = fc
  .array(
    fc.constantFrom(
      '\\',
      'u',
      '0',
      '00',
      'g',
      'D8fF',
      'b',
      'n',
      '/',
      '"',
      '\t',
      '\u007f',
      '\u001f',
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

describe('readObject', () => {
  it('takes the numbers, strings and words that JSON.parse takes, and no others', () => {
    const some = fc.oneof(
      number,
      escape.map((inside) => `"${inside}"`),
      word,
      escape,
    )
    fc.assert(
      fc.property(some, some, (one, other) => {
        check(`{"a":${one},"b":[${other},{"c":${one}}]}`)
        check(`{${one}:${other}}`)
      }),
      { seed: 13, numRuns: 5000 },
    )
  })

  it('says from where on a text is no JSON, and takes nothing but JSON for it', () => {
    const cases: [string, string][] = [
      ['', 'not JSON: it ends too soon'],
      ['{"a":1', 'not JSON: it ends too soon'],
      ['{"a":01}', 'not JSON from here on: 1}'],
      ['{"a":1} {}', 'not JSON from here on: {}'],
      ['\ufeff{}', 'not JSON from here on: \ufeff{}'],
      ['{"a":1,}', 'not JSON from here on: }'],
      ["{'a':1}", "not JSON from here on: 'a':1}"],
      ['[1,2] x', 'not JSON from here on: x'],
      ['[1,2]', 'not a JSON object'],
      [' "a" ', 'not a JSON object'],
    ]
    for (const [json, problem] of cases) expect(problemOf(json), json).to.equal(problem)
  })

  it('keeps order and source of the members, as a plain reader does', () => {
    fc.assert(fc.property(line, check), { seed: 11, numRuns: 3000 })
  })

  it('does so, or refuses, when characters are lost, added or replaced', () => {
    const damage = fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', ':', ' ', '\u00a0', '1')
    fc.assert(
      fc.property(line, fc.nat(), fc.nat(1), damage, (whole, where, taken, put) => {
        const at = where % whole.length
        check(whole.slice(0, at) + put + whole.slice(at + taken))
      }),
      { seed: 12, numRuns: 3000 },
    )
  })

  it('refuses a name that comes twice, however it is written', () => {
    expect(problemOf('{"a":1,"\\u0061":2}')).to.equal('names "\\u0061" twice')
    expect(problemOf('{"\\\\":1, "b":2, "\\u005c":3}')).to.equal('names "\\u005c" twice')
  })

  it('reads what is nested deeply', () => {
    const nested = `${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`
    expect(sourcesOf(`{"a":${nested},"b":1}`)).to.deep.equal([
      ['a', nested],
      ['b', '1'],
    ])
  })

  it('reads long runs of backslashes and of quotes in no more than a moment', () => {
    const inside = `${'\\\\'.repeat(100_000)}${'\\"'.repeat(100_000)}`
    expect(sourcesOf(`{"a":"${inside}","b":1}`)?.at(-1)).to.deep.equal(['b', '1'])
  })
})

import { expect } from 'chai'
import fc from 'fast-check'
import { isCodedError } from '@heddle/interface'
import { jsonMembers } from '../../src/contracts/json-members.ts'
import { plainMembers } from '../support/plain-members.ts'

const sourcesOf = (text: string): [string, string][] =>
  [...jsonMembers(text)].map(([name, { source }]) => [name, source])

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

function isObject(json: string): boolean {
  try {
    const parsed: unknown = JSON.parse(json)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  } catch {
    return false
  }
}

/** That it finds what the plain reader finds, and refuses what is no object or names one twice. */
function check(json: string): void {
  const expected = isObject(json) ? plainMembers(json) : undefined
  if (expected && new Set(expected.map(([each]) => each)).size === expected.length) {
    expect(sourcesOf(json), json).to.deep.equal(expected)
    return
  }
  try {
    jsonMembers(json)
  } catch (error) {
    expect(isCodedError(error, 'PEER_BAD_LINE'), json).to.equal(true)
    return
  }
  expect.fail(`takes ${json}`)
}

describe('jsonMembers', () => {
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
    expect(() => jsonMembers('{"a":1,"\\u0061":2}')).to.throw('names "a" twice')
    expect(() => jsonMembers('{"\\\\":1, "b":2, "\\u005c":3}')).to.throw('names "\\\\" twice')
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
    expect(jsonMembers(`{"a":"${inside}","b":1}`).get('b')?.source).to.equal('1')
  })
})

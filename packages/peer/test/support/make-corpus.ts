/*
 * Made test/fixtures/corpus/inputs.txt.gz, once: `node --import tsx test/support/make-corpus.ts`. What
 * counts is the file: another version of fast-check makes other inputs of the same seed, and another
 * file needs another digest in corpus.spec.ts.
 */
import { writeFile } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'

/** A call: the contract, and the input as bytes. */
type Call = readonly [contract: string, input: Uint8Array | string]

const seed = 20261129
const sample = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number): T[] =>
  fc.sample(arbitrary, { seed, numRuns })

const odd = fc.constantFrom(
  ...['\\ud800', '\\udfff', '\\ud83d\\ude00', '😀', '\\u0000', '\\u2028', '\u2028', '\\\\', '\\"'],
  ...['__proto__', 'constructor', 'ä', 'é', 'e\u0301', 'İ', 'ﬀ', 'a', '\u007f', '\u0085', '\ufeff'],
)
const text = fc.array(odd, { maxLength: 5 }).map((parts) => `"${parts.join('')}"`)
const number = fc.oneof(
  fc.constantFrom(
    ...['0', '-0', '1e400', '-1e400', '1e-400', '5e-324', '9007199254740993', '0.1', '1E+2', '-1'],
    ...[
      '123456789012345678901234567890',
      '1.50',
      '1e21',
      '100',
      '3',
      '01',
      '+1',
      '.5',
      '1.',
      'NaN',
    ],
  ),
  fc.bigInt({ min: -(10n ** 45n), max: 10n ** 45n }).map(String),
  fc.double().map(String),
)
const account = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('"alice"', '"bob"', '"carol"', '"\\u0062ob"') },
  { weight: 1, arbitrary: text },
  {
    weight: 1,
    arbitrary: fc.constantFrom('""', '1', 'null', `"${'x'.repeat(513)}"`, '"__proto__"'),
  },
)
const amount = fc.oneof(fc.integer({ min: 0, max: 9 }).map(String), number, text)

const transfer = fc
  .tuple(account, account, amount, fc.constantFrom('', '', '', ',"memo":1', ',"to":"bob"', ' x'))
  .map(([from, to, units, more]): Call => [
    'accounts',
    `{"from":${from},"to":${to},"amount":${units}${more}}`,
  ])

const record = fc
  .tuple(fc.oneof(text, number), fc.jsonValue({ maxDepth: 3 }))
  .map(([id, value]): Call => ['records', `{"id":${id},"value":${JSON.stringify(value)}}`])

const json = fc
  .tuple(fc.jsonValue({ maxDepth: 5 }), fc.nat(2))
  .map(([value, indent]): Call => ['records', JSON.stringify(value, null, indent)])

const damaged = fc
  .tuple(
    fc.oneof(transfer, record, json),
    fc.nat(),
    fc.nat(1),
    fc.constantFrom(
      '',
      '"',
      '\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      ' ',
      '\u00a0',
      '\0',
      '\ud800',
      '1',
    ),
  )
  .map(([[contract, whole], where, taken, put]): Call => {
    const line = whole.toString()
    const at = where % (line.length + 1)
    return [contract, line.slice(0, at) + put + line.slice(at + taken)]
  })

const bytes = fc
  .tuple(fc.constantFrom('records', 'accounts'), fc.uint8Array({ maxLength: 40 }))
  .map(([contract, input]): Call => [contract, input])

/** UTF-8 that is none: overlong, halves of pairs, cut short, beyond the last character. */
const broken = ['c080', 'eda080', 'edbfbf', 'f4908080', 'e282', 'ff', 'fe', 'f0808080', 'c3', '80']

function inUtf8(hex: string): Call[] {
  const inside = Buffer.concat([Buffer.from('{"id":"'), Buffer.from(hex, 'hex'), Buffer.from('"}')])
  return [
    ['records', inside],
    ['records', Buffer.from(hex, 'hex')],
    ['accounts', Buffer.concat([Buffer.from('{"from":"alice"}'), Buffer.from(hex, 'hex')])],
  ]
}

const zeros = '0'.repeat(1100)
const picked: Call[] = [
  ['records', '{"id":"lone\\ud800"}'],
  ['records', '{"id":"lone\\udbff"}'],
  ['records', '{"id":"lone\\ud800","other":1}'],
  ['records', `{"id":1.${zeros}1}`],
  ['records', `{"id":1.${zeros}1,"other":1}`],
  ['accounts', '{"from":"alice","to":"\\ud800x","amount":1}'],
  ['accounts', '{"from":"\\ud800x","to":"bob","amount":1}'],
  ['records', '{bad}'],
  ['records', '\ufeff{"id":"bom"}'],
  ['records', '{"id":"nul\0"}'],
  ['records', '{"id":"nul\\u0000"}'],
  ['records', '{"__proto__":{"id":1},"id":"proto"}'],
  ['records', '{"id":{"id":1}}'],
  ['records', '{"a":1,"\\u0061":2}'],
  ['records', '{"😀":1,"\\ud83d\\ude00":2}'],
  ['records', `{"${'n'.repeat(70)}":1,"${'n'.repeat(70)}":2}`],
  ['records', `{"${'😀'.repeat(20)}":1,"${'😀'.repeat(20)}":2}`],
  ['records', `"${'y'.repeat(38)}😀"`],
  ['records', `{"id":"${'ä'.repeat(256)}"}`],
  ['records', `{"id":"${'ä'.repeat(257)}"}`],
  ['records', `{"id":${'9'.repeat(512)}}`],
  ['records', `{"id":${'9'.repeat(513)}}`],
  ['records', `{"deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
  ['records', `{"deep":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`],
  ['records', '['.repeat(200_000)],
  ['records', '{"a":'.repeat(100_000)],
  ['records', `{"long":"${'z'.repeat(400_000)}"}`],
  ['records', `{"escapes":"${'\\u00e4'.repeat(60_000)}"}`],
  ['records', `{"backslashes":"${'\\\\'.repeat(200_000)}"`],
  ['records', `{"id":"digits","n":${'7'.repeat(400_000)}}`],
  ['accounts', `{"from":"alice","to":"bob","amount":${'1'.repeat(400_000)}}`],
  ['accounts', `{"from":"alice","to":"bob","amount":1e${'1'.repeat(4000)}}`],
  ['records', ` \t\r\n${' '.repeat(10_000)}{"id":"space"}\n`],
  ['records', ''],
  ['accounts', ''],
  ...[
    'nope',
    '',
    '__proto__',
    'rules',
    'accounts/unfit',
    'records\0',
    'Records',
    '\ufeffrecords',
  ].map((contract): Call => [contract, '{"id":"x"}']),
  ...broken.flatMap(inUtf8),
]

const calls: Call[] = [
  ...picked,
  ...sample(transfer, 700),
  ...sample(record, 500),
  ...sample(json, 500),
  ...sample(damaged, 700),
  ...sample(bytes, 200),
]

const base64 = (input: Uint8Array | string): string => Buffer.from(input).toString('base64')
const lines = calls.map(([contract, input]) => `${base64(contract)} ${base64(input)}`)
const file = new URL('../fixtures/corpus/inputs.txt.gz', import.meta.url)
await writeFile(file, gzipSync(`${lines.join('\n')}\n`, { level: 9 }))

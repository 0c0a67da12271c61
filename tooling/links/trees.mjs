import { fewestRules } from './pages.mjs'

const rows = (count) =>
  Array.from({ length: count }, (_, index) => `| rule ${index} | [a.ts](src/a.ts) \`first\` |\n`)
const table = (count) => `| rule | where |\n| --- | --- |\n${rows(count).join('')}`

/** A small repository in which nothing is wrong. */
export const goodTree = {
  'README.md':
    '# Title\n[pkg](packages/pkg), [part](packages/pkg/README.md#a-part-of-it), [web](https://a.b)\n' +
    '```text\n[code](is no link)\n```\n[of one](one.md#twice-1)\n',
  'one.md': '## Twice\n## Twice\n',
  'packages/pkg/README.md': `## A \`part\` of it\n${table(fewestRules)}[x](src/a.ts) \`A.run\` and \`A.#own\`\n`,
  'packages/pkg/package.json': '{"files": ["src"]}',
  'packages/pkg/src/a.ts':
    "import { other } from './b.ts'\nexport const first = () => other()\nclass A {\n  run(): void {}\n  #own = 1\n}\n",
  'packages/pkg/test/a.spec.ts': 'export {}\n',
}

const readme = (text) => ({ 'packages/pkg/README.md': goodTree['packages/pkg/README.md'] + text })

/** Each breaks one check, which must say so: see {@link goodTree} for the rest of the tree. */
export const wrongTrees = {
  'one.md:1: two.md: there is no such file': { 'one.md': '[two](two.md)' },
  '../../src/a.ts: there is no such file': readme('[a](../../src/a.ts)'),
  'there is no such heading': { 'one.md': '[part](packages/pkg/README.md#another-part)' },
  'only pages have anchors that last': readme('[a](src/a.ts#L1)'),
  'second: not declared there': readme('[a](src/a.ts) `second`'),
  'other: not declared there': readme('[a](src/a.ts) `first`, `other`'),
  'A.walk: not declared there': readme('[a](src/a.ts) `A.walk`'),
  'is not in the package': readme('[a](test/a.spec.ts)'),
  'the row has no link with a name behind it': readme(
    '\n| q | where |\n| - | - |\n| a | `first` |\n',
  ),
  'has no table "where"': { 'packages/pkg/README.md': table(fewestRules - 1) },
  'deep.md: its links are more than 3 clicks': {
    'one.md': '[two](two.md)',
    'two.md': '[deep](deep.md)',
    'deep.md': '[one](one.md)',
  },
}

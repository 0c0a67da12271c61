/** The TypeScript programs in a README: its ```ts blocks. */
export function examplesOf(markdown) {
  return [...markdown.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1])
}

const named = /^import \{([^}]*)\} from (['"][^'"]+['"]);?$/gm
const whole = /^import (?:\* as )?(\w+) from (['"][^'"]+['"]);?$/gm
const bare = /^import (['"][^'"]+['"]);?$/gm

/** The same program for `require()`: imports turned, the body put into an async function. */
export function toCommonJs(esm) {
  const body = esm
    .replace(
      named,
      (_, list, from) => `const {${list.replaceAll(' as ', ': ')}} = require(${from})`,
    )
    .replace(whole, 'const $1 = require($2)')
    .replace(bare, 'require($1)')
    .replace(/^export \{\};?$/gm, '')
    .replace(/^export /gm, '')
  return `(async () => {\n${body}\n})().catch((error) => {\n  console.error(error)\n  process.exit(1)\n})\n`
}

/** The packages that a README says to install. */
export function installedBy(markdown) {
  const [, packages = ''] = /^npm install (?:--global )?(.+)$/m.exec(markdown) ?? []
  return packages.split(' ').filter(Boolean)
}

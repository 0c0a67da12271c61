import { CodedError } from '@heddle/interface'
import { expect } from 'chai'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { describeFailure } from '../../src/cli/failure.ts'
import { exitCodeOf, exitCodes } from '../../src/exit-status.ts'

const packages = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, packages), 'utf8')

/** The codes of the errors that a package raises, as its `errors.ts` spells them. */
function codesOf(name: string): string[] {
  const found = read(`${name}/src/errors.ts`).matchAll(/'([A-Z]+_[A-Z_]+)'/g)
  return [...new Set([...found].map(([, code]) => code!))]
}

/** The section of a README that lists errors. */
const errorsOf = (name: string): string =>
  read(`${name}/README.md`).split('\n## Errors\n')[1]?.split('\n## ')[0] ?? ''

const names = readdirSync(packages).filter((name) =>
  existsSync(new URL(`${name}/src/errors.ts`, packages)),
)
/** Whose errors can be the fault of nobody but heddle, when they end a process. */
const inner = ['events', 'interface', 'proto', 'pubsub']

describe('the codes of errors', () => {
  it('stand in the README of the package that raises them', () => {
    expect(names).to.include.members(['comm', 'deliver', 'ledger', 'msp', 'pbft', 'peer'])
    const all = names.filter((name) => name !== 'interface')
    const missing = all.flatMap((name) =>
      codesOf(name).filter((code) => !errorsOf(name).includes(`\`${code}\``)),
    )
    expect(missing).to.deep.equal([])
  })

  it('stand in the README of the peer with their exit status, and each has a cure', () => {
    const listed = new Map<string, number>()
    const rows = [...errorsOf('peer').matchAll(/^\|(.*)\| +(\d+) +\|$/gm)]
    const lists = [...errorsOf('peer').matchAll(/^- \*\*(\d+)\*\*((?:.|\n(?!-))*)/gm)]
    for (const [, cells, status] of [...rows, ...lists.map(([all, of, text]) => [all, text, of])])
      for (const [, code] of cells!.matchAll(/`([A-Z]+_[A-Z_]+)`/g))
        listed.set(code!, Number(status))
    for (const name of names) {
      for (const code of codesOf(name)) {
        const error = new CodedError(code, 'what happened')
        expect(listed.get(code), code).to.equal(exitCodeOf(error))
        expect(exitCodeOf(error) === exitCodes.internal, code).to.equal(inner.includes(name))
        const hasOwnCure = name === 'peer' || inner.includes(name)
        if (!hasOwnCure) expect(describeFailure(error), code).to.match(/^ {2}try: \w/m)
      }
    }
    const raised = new Set(names.flatMap(codesOf))
    expect([...listed.keys()].filter((code) => !raised.has(code))).to.deep.equal([])
  })
})

import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import { conditionKinds } from '../../src/node/condition-kinds.ts'

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** The cells of all tables of the guide, one row each. */
const rows = read('OPERATIONS.md')
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )

describe('the operations guide', () => {
  it('has every condition, with its severity and component, and no other', () => {
    const table = rows.filter((row) => row.length === 5 && row[0]?.startsWith('`') === true)
    expect(
      Object.fromEntries(table.map(([name, ...rest]) => [name, rest.slice(0, 2)])),
    ).to.deep.equal(
      Object.fromEntries(
        Object.entries(conditionKinds).map(([name, { severity, component }]) => [
          `\`${name}\``,
          [severity, `\`${component}\``],
        ]),
      ),
    )
  })

  it('names tests that there are for its events, and says of each what its conditions do', () => {
    const events = rows.filter((row) => row.length === 7).slice(2)
    expect(events).to.have.length.above(5)
    for (const [event = '', conditions = '', health, , , , test = ''] of events) {
      const [file = '', title = ''] = test.split(/: (.*)/)
      expect(read(`test/e2e/${file}.spec.ts`), event).to.include(`it('${title}'`)
      const names = [...conditions.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name ?? '')
      const kinds = names.map((name) => conditionKinds[name as keyof typeof conditionKinds])
      const statuses = kinds.map(({ severity }) => (severity === 'failed' ? '503' : '200'))
      expect([...new Set(statuses)].join(', '), event).to.equal(health)
    }
  })
})

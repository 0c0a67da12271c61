import { expect } from 'chai'
import { maxLogCauses, maxLogText } from '../../src/logging/bounded.ts'
import { createLogging } from '../../src/logging/logger.ts'
import type { LogFields } from '@heddle/interface'

interface Caused {
  readonly message: string
  readonly cause?: Caused
}

/** The line as it is written. */
function lineOf(event: string, fields?: LogFields, error?: unknown): Record<string, unknown> {
  let text = ''
  const { logger } = createLogging('info', {}, { write: (line: string) => void (text += line) })
  logger.info(event, fields, error)
  return JSON.parse(text) as Record<string, unknown>
}

describe('a line of the log', () => {
  const most = 'x'.repeat(maxLogText)
  const cut = `${most}… (1 characters more)`

  it('keeps maxLogText characters of each text, and says how many are missing', () => {
    const whole = lineOf(most, { name: most }, new Error(most))
    expect(whole).to.deep.include({ msg: most, name: most, error: { message: most } })
    const code = `${most}x`
    const cause = new Error(`${most}x`)
    const error = Object.assign(new Error(`${most}x`, { cause }), { code })
    expect(lineOf(`${most}x`, { name: `${most}x` }, error)).to.deep.include({
      ...{ msg: cut, name: cut },
      error: { code: cut, message: cut, cause: { message: cut } },
    })
    expect(lineOf('e', {}, `${most}x`)).to.include({ error: cut })
  })

  it('keeps a list or an object whole up to maxLogText characters of JSON', () => {
    const list = (more: string) => [most.slice(4) + more]
    expect(lineOf('e', { list: list('') })['list']).to.deep.equal(list(''))
    expect(lineOf('e', { list: list('x') })['list']).to.equal(
      `["${most.slice(4)}x"… (1 characters more)`,
    )
    const circle: Record<string, unknown> = { text: most }
    circle['self'] = circle
    expect(lineOf('e', { circle })['circle']).to.have.length.below(maxLogText + 40)
    expect(lineOf('e', { n: { deep: 5n } })['n']).to.deep.equal({ deep: 5 })
  })

  it('ends after maxLogCauses causes, though they go in a circle', () => {
    const first = new Error('first')
    first.cause = new Error('second', { cause: first })
    let causes = 0
    let error = lineOf('e', {}, first)['error'] as Caused
    for (; error.cause !== undefined; error = error.cause) causes++
    expect(causes).to.equal(maxLogCauses)
  })
})

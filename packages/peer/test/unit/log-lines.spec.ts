import { expect } from 'chai'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packages = fileURLToPath(new URL('../../..', import.meta.url))

/** A warning or an error with its event alone, or with no field beside it. */
const bare = /\.(?:warn|error)\(\s*'[^']*'\s*(?:,?\s*\)|,\s*(?:\{\s*\}|undefined)\s*[,)])/g

/** The calls in a source that do not say what they are about. */
function bareLines(source: string): string[] {
  return [...source.matchAll(bare)].map(([call]) => call)
}

describe('the lines of the logs', () => {
  it('are found when they do not say what they are about, and only then', () => {
    for (const fields of ['', ', {}, error', ', undefined, error', ', {}', ',\n  {},\n  error,\n'])
      expect(bareLines(`logger?.warn('event'${fields})`), fields).to.have.length(1)
    for (const fields of [', { block }', ', fields', ', fields, error', ', { code: error.code }'])
      expect(bareLines(`logger.error('event'${fields})`), fields).to.deep.equal([])
  })

  it('say of every warning and error which block, transaction, peer or part it is about', async () => {
    const found: string[] = []
    let files = 0
    for (const name of await readdir(packages)) {
      const sources = join(packages, name, 'src')
      for (const file of await readdir(sources, { recursive: true })) {
        if (!file.endsWith('.ts') || /testing|gen\//.test(file)) continue
        files++
        const source = await readFile(join(sources, file), 'utf8')
        found.push(...bareLines(source).map((call) => `${name}/${file}: ${call}`))
      }
    }
    expect(found).to.deep.equal([])
    expect(files, 'the sources are there').to.be.above(300)
  })
})

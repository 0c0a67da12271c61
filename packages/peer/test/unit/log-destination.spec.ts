import { expect } from 'chai'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogging, logDestination, maxLogBacklogBytes } from '../../src/logging/logger.ts'

describe('a log that cannot be written', () => {
  let dir = ''
  before(async () => (dir = await mkdtemp(join(tmpdir(), 'heddle-log-'))))
  after(() => rm(dir, { recursive: true }))

  it('ends nothing; what waited follows when there is room, and how many lines were lost', async () => {
    const unwritable = join(dir, 'unwritable')
    await writeFile(unwritable, '')
    const fd = openSync(unwritable, 'r')
    const { logger } = createLogging('info', { peer: 'p' }, logDestination(fd))
    const text = 'x'.repeat(1000)
    const lines = Math.ceil((2 * maxLogBacklogBytes) / 1000)
    for (let line = 0; line < lines; line++) logger.info('line', { line, text })

    closeSync(fd)
    const log = join(dir, 'log.json')
    expect(openSync(log, 'a'), 'the lowest number that is free').to.equal(fd)
    logger.info('there is room')
    await new Promise((resolve) => setImmediate(resolve))
    closeSync(fd)

    const written = readFileSync(log, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const kept = written.filter(({ msg }) => msg === 'line').length
    expect(written.slice(0, kept).map(({ line }) => line)).to.deep.equal([...Array(kept).keys()])
    expect(written.slice(kept).map(({ msg, lost }) => ({ msg, lost }))).to.deep.equal([
      { msg: 'there is room', lost: undefined },
      { msg: 'lines of the log were lost', lost: lines - kept },
    ])
    expect(kept * 1000).to.be.lessThan(maxLogBacklogBytes)
  })
})

import { VirtualClock } from '@heddle/events/testing'
import { RecordingLogger } from '@heddle/interface/testing'
import { expect } from 'chai'
import { maxWatchedLines, RepeatedLines } from '../../src/repeated-lines.ts'

describe('RepeatedLines', () => {
  let clock: VirtualClock
  let logger: RecordingLogger
  let lines: RepeatedLines
  const write = (about: string, most = 2): void =>
    lines.write('warn', { event: 'e', about, most, fields: { about } })

  beforeEach(() => {
    clock = new VirtualClock()
    logger = new RecordingLogger()
    lines = new RepeatedLines(clock, logger)
  })

  it('writes a line so many times a minute for each it is about, then says how many it did not', async () => {
    for (let i = 0; i < 5; i += 1) write('a')
    write('b')
    await clock.advance(59_999)
    write('a')
    expect(logger.lines.map(({ fields }) => fields['about'])).to.deep.equal(['a', 'a', 'b'])
    await clock.advance(1)
    write('a')
    write('a')
    expect(logger.lines.slice(3).map(({ fields }) => fields)).to.deep.equal([
      { about: 'a', notLogged: 4 },
      { about: 'a' },
    ])
  })

  it('watches maxWatchedLines, and forgets the oldest', () => {
    write('a', 1)
    for (let i = 1; i < maxWatchedLines; i += 1) write(`b${i}`)
    write('a', 1)
    expect(logger.lines).to.have.length(maxWatchedLines)
    write('one more')
    write('a', 1)
    expect(logger.lines).to.have.length(maxWatchedLines + 2)
  })
})

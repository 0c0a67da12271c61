import { expect } from 'chai'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { VirtualClock } from '@heddle/events/testing'
import { foreignLine, maxForeignText, mendLog } from '../../src/logging/log-file.ts'
import { createLogging } from '../../src/logging/logger.ts'
import { ErrorLog, maxLine } from '../../src/network/error-log.ts'

type Line = Readonly<Record<string, unknown>>

/** Every line of a log; throws when one is no JSON, or the last has no end. */
function linesOf(text: string): Line[] {
  expect(text).to.match(/(^|\n)$/)
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

describe('a log file', () => {
  let dir = ''
  let log = ''
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-log-'))
    log = join(dir, 'log.json')
  })
  after(() => rm(dir, { recursive: true }))

  const whole = '{"msg":"whole"}\n'
  const torn: [string, string][] = [
    ['in the middle of a line', '{"level":"info","msg":"blo'],
    ['before the line feed', '{"msg":"all but the end"}'],
    ['in the middle of a character', '{"msg":"caf\u00c3'],
    ['after zeros, as a crash of the machine leaves them', '\0\0\0\0'],
    ['in a line longer than it is looked through at a time', `{"msg":"${'x'.repeat(200_000)}`],
  ]
  for (const [where, rest] of torn) {
    it(`that was torn ${where} is made whole, with what is there`, async () => {
      for (const before of ['', whole, whole + whole]) {
        await writeFile(log, before + rest, 'latin1')
        mendLog(log, 0)
        const text = await readFile(log, 'utf8')
        expect(text.startsWith(before)).to.equal(true)
        const lines = linesOf(text)
        expect(lines).to.have.length(linesOf(before).length + 1)
        expect(lines.at(-1)).to.include({ level: 'warn', logger: 'logging' })
        const kept = Buffer.from(rest, 'latin1').toString().slice(0, 100)
        expect(lines.at(-1)?.['msg']).to.include(kept)
      }
    })
  }

  it('that is whole, empty or not there is left alone', async () => {
    for (const text of ['', whole, whole + whole]) {
      await writeFile(log, text)
      mendLog(log, 0)
      expect(await readFile(log, 'utf8')).to.equal(text)
    }
    mendLog(join(dir, 'none'), 0)
    mendLog('/dev/null', 0)
  })

  it('has what a validator writes to standard error, each line as JSON, whatever it is', async () => {
    await writeFile(log, whole)
    const stream = new PassThrough()
    new ErrorLog(stream, { name: 'validator0', config: '', log }, new VirtualClock())
    stream.write('FATAL ERROR: out of mem')
    stream.write('ory\n\n"quoted"\u0000\n')
    const text = `${'x'.repeat(3 * maxForeignText)}end`
    stream.end(text)
    await new Promise((resolve) => stream.once('close', resolve))
    const [, fatal, quoted, ...long] = linesOf(await readFile(log, 'utf8'))
    expect(fatal).to.include({
      ...{ level: 'error', peer: 'validator0', logger: 'process' },
      ...{ time: '2026-01-01T00:00:00.000Z', msg: 'FATAL ERROR: out of memory' },
    })
    expect(quoted).to.include({ msg: '"quoted"\u0000' })
    const parts = long.map((line) => line['msg'] as string)
    for (const part of parts) expect(part.length).to.be.at.most(maxLine)
    expect(parts.join('')).to.equal(text)
  })

  it('has every character of it whole, wherever a chunk or a line is cut', async () => {
    await writeFile(log, whole)
    const stream = new PassThrough()
    new ErrorLog(stream, { name: 'validator0', config: '', log }, new VirtualClock())
    const text = `x${'ä€😀'.repeat(maxLine)}\n`
    for (const byte of Buffer.from('ä€😀\n')) {
      stream.write(Buffer.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    stream.end(text)
    await new Promise((resolve) => stream.once('close', resolve))
    const [, first, ...long] = linesOf(await readFile(log, 'utf8'))
    expect(first).to.include({ msg: 'ä€😀' })
    const parts = long.map((line) => line['msg'] as string)
    for (const part of parts) expect(part.length).to.be.at.most(maxLine)
    expect(parts.join('')).to.equal(text.trim())
  })

  it('keeps maxForeignText characters of a line that is not its own', () => {
    const line = (length: number): Line => {
      const msg = 'x'.repeat(length)
      return JSON.parse(foreignLine({ level: 'warn', time: 0, logger: 'l', msg })) as Line
    }
    expect(line(maxForeignText)['msg']).to.have.length(maxForeignText)
    expect(line(maxForeignText + 1)['msg']).to.have.length(maxForeignText)
  })

  it('has every name once in a line', () => {
    let text = ''
    const stream = new Writable({
      write: (chunk: Buffer, _, done) => done(void (text += chunk.toString())),
    })
    const { logger } = createLogging('info', { peer: 'v0' }, stream)
    logger
      .child('c')
      .info('event', { peer: 'other', level: 1, time: 2, msg: 3, logger: 4, block: 5n })
    for (const name of ['peer', 'level', 'time', 'msg', 'logger'])
      expect(text.match(new RegExp(`"${name}":`, 'g')), name).to.have.length(1)
    const [line] = linesOf(text)
    expect(line).to.include({ peer: 'v0', level: 'info', logger: 'c', msg: 'event', block: 5 })
    expect(line).to.include({ peer_: 'other', level_: 1, time_: 2, msg_: 3, logger_: 4 })
  })
})

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { blockHeaderHash, common, decode } from '@heddle/proto'
import { expect } from 'chai'
import { openJournal, openLedger } from '../../src/index.ts'
import { lockDirectory } from '../../src/storage/process-lock.ts'
import { kill, output, printed, startChild } from '../children.ts'
import { temporaryDirectory } from '../places.ts'

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return isCodedError(error) ? error.code : `foreign: ${String(error)}`
  }
}

/** Checks everything that a killed process left, and returns how much there is. */
async function inspect(dir: string): Promise<{ height: number; lastRecord: number }> {
  const ledger = await openLedger({ dir: join(dir, 'ledger') }, { maxSegmentBytes: 256 * 1024 })
  let previous: Uint8Array = new Uint8Array()
  const height = Number(ledger.height)
  for (let number = 0; number < height; number += 1) {
    const bytes = await ledger.block(BigInt(number))
    const { header } = decode(common.BlockSchema, bytes!)
    expect(Buffer.from(header!.previousHash).equals(previous), `block ${number}`).to.equal(true)
    previous = blockHeaderHash(header!)
    for (const index of [0, 19]) {
      const txId = createHash('sha256').update(`/${number}/${index}`).digest('hex')
      const expected = { block: BigInt(number), index }
      expect(ledger.txLocation(txId), `transaction ${number}/${index}`).to.deep.equal(expected)
    }
  }
  const { savepoint } = ledger.state
  expect(savepoint.height <= ledger.height, 'state not ahead').to.equal(true)
  const value = ledger.state.get('n', 'height')
  if (savepoint.height > 0n)
    expect(Buffer.from(value!).toString()).to.equal(savepoint.height.toString())
  const entries = ledger.state.entries('n', { limit: 1_000_000 }).length
  expect(entries).to.equal(savepoint.height === 0n ? 0 : Number(savepoint.height) + 1)
  await ledger.close()
  const journal = await openJournal({ dir: join(dir, 'journal') })
  const numbers = (await journal.records()).map((record) => Number(Buffer.from(record).toString()))
  for (const [index, number] of numbers.entries()) {
    expect(number, `record ${index}`).to.equal(numbers[0]! + index)
  }
  await journal.close()
  return { height, lastRecord: numbers.at(-1) ?? -1 }
}

describe('a process that is killed', function () {
  this.timeout(120_000)
  const rounds = 12

  it('leaves every acknowledged block and record, readable and in order', async () => {
    const dir = await temporaryDirectory()
    try {
      let acknowledged = { block: -1, record: -1 }
      for (let round = 0; round < rounds; round += 1) {
        const child = startChild('append-forever', [dir])
        const gone = once(child, 'exit')
        let text = ''
        let blocks = 0
        // Killed in the middle of things: after some acknowledgements, a different number each time.
        for await (const chunk of child.stdout) {
          text += String(chunk)
          blocks = text.split('\nblock ').length - 1
          if (blocks > 3 + round * 17 && text.includes('\nrecord ')) child.kill('SIGKILL')
        }
        await gone
        expect(blocks, `round ${round}`).to.be.greaterThan(3)
        for (const [, kind, number] of text.matchAll(/^(block|record) (\d+)\n/gm)) {
          acknowledged = { ...acknowledged, [kind!]: Number(number) }
        }
        const { height, lastRecord } = await inspect(dir)
        expect(height, `blocks after round ${round}`).to.be.greaterThan(acknowledged.block)
        expect(lastRecord, `records after round ${round}`).to.be.at.least(acknowledged.record)
      }
    } finally {
      await rm(dir, { recursive: true })
    }
  })
})

describe('directory lock', function () {
  this.timeout(60_000)
  let dir: string
  beforeEach(async () => (dir = await temporaryDirectory()))
  afterEach(() => rm(dir, { recursive: true }))

  it('keeps a second process out, by its number, until the first is gone', async () => {
    const path = join(dir, 'ledger')
    const child = startChild('hold', [path])
    await printed(child, 'open')
    try {
      await openLedger({ dir: path })
      expect.fail('opened twice')
    } catch (error) {
      expect(isCodedError(error, 'LEDGER_LOCKED'), String(error)).to.equal(true)
      expect((error as { pid?: number }).pid).to.equal(child.pid)
    }
    await kill(child)
    const ledger = await openLedger({ dir: path })
    await ledger.close()
    const left = (await readdir(path)).filter((name) => name.startsWith('lock-'))
    expect(left, 'locks that are left').to.deep.equal([])
  })

  it('takes over from a process whose number another one has now', async () => {
    // Ours, but of another birth: as after a container was started again, always as process 1.
    await writeFile(join(dir, `lock-${process.pid}-0123abcd.1-00ff`), '')
    const lock = await lockDirectory(dir)
    expect(await codeOf(lockDirectory(dir))).to.equal('LEDGER_LOCKED')
    await lock.release()
    expect(await readdir(dir)).to.deep.equal([])
  })

  it('lets at most one in of many that try at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(dir)))
      const locks = results.flatMap((result) =>
        result.status === 'fulfilled' ? [result.value] : [],
      )
      expect(locks.length, `round ${round}`).to.be.at.most(1)
      for (const lock of locks) await lock.release()
      expect(await readdir(dir), `round ${round}`).to.deep.equal([])
    }
  })

  it('that came with a copy is named with what it is a copy of, and is no lock without it', async () => {
    const [dir, copy] = [await temporaryDirectory(), await temporaryDirectory()]
    const lock = await lockDirectory(dir)
    const own: unknown = await lockDirectory(dir).catch((error: unknown) => error)
    expect(own).to.have.property('message').that.includes(`${dir} is in use by process`)
    const [name = ''] = await readdir(dir)
    await cp(dir, copy, { recursive: true })
    const refusal: unknown = await lockDirectory(copy).catch((error: unknown) => error)
    expect(refusal).to.have.property('code', 'LEDGER_LOCKED')
    const said = `${join(copy, name)} says that process ${process.pid} uses ${dir}: if ${copy} is a copy`
    expect(refusal).to.have.property('message').that.includes(said)
    await rm(join(copy, name))
    await (await lockDirectory(copy)).release()
    await lock.release()
    for (const each of [dir, copy]) expect(await readdir(each)).to.deep.equal([])
    for (const each of [dir, copy]) await rm(each, { recursive: true })
  })

  it('does not mind other files', async () => {
    await writeFile(join(dir, 'lock-of-somebody'), '')
    const lock = await lockDirectory(dir)
    await lock.release()
    expect(await readdir(dir)).to.deep.equal(['lock-of-somebody'])
  })

  it('tells a directory in which nothing can be made', async () => {
    expect(await codeOf(lockDirectory(join(dir, 'missing')))).to.equal('LEDGER_IO')
    const file = join(dir, 'file')
    await writeFile(file, '')
    expect(await codeOf(openLedger({ dir: join(file, 'below') }))).to.equal('LEDGER_IO')
    expect(await codeOf(openJournal({ dir: file }))).to.equal('LEDGER_IO')
  })
})

describe('a disk that is really full', function () {
  this.timeout(60_000)

  for (const { name, args, code } of [
    { name: 'for blocks', args: ['20000', '10'], code: 'LEDGER_DISK_FULL' },
    { name: 'for the state', args: ['1', '200000'], code: 'LEDGER_IO' },
  ]) {
    it(`${name}: what was acknowledged is there, and a smaller block still fits`, async () => {
      const dir = await temporaryDirectory()
      try {
        const text = await output(startChild('fill', [dir, ...args], 2_000))
        const told = JSON.parse(text) as { acknowledged: number; codes: string[] }
        expect(told.codes[0]).to.equal(code)
        expect(told.codes.join(), 'nothing else went wrong').to.not.match(/unhandled|small/)
        // What could not be committed is made again from the blocks.
        const ledger = await openLedger({ dir })
        expect(Number(ledger.height)).to.equal(told.acknowledged)
        await ledger.close()
      } finally {
        await rm(dir, { recursive: true })
      }
    })
  }
})

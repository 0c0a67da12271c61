import { expect } from 'chai'
import { appendFile, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { transactionCounts } from '../support/chain.ts'
import { eventually } from '../support/eventually.ts'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { Load } from '../support/load.ts'
import { seenBy } from '../support/seen.ts'
import { Validators } from '../support/validators.ts'
import { provenHeight } from '../support/proof.ts'
import type { Proof } from '../../src/network/proof.ts'

/** Exit status for a ledger that cannot be read or written. */
const ledgerFailed = 74

/** What a validator may still write into one file when its disk is about to be full. */
const roomBytes = 96 * 1024

/** Paths of all files below a folder. */
async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

/** Size of the largest file below a folder. */
async function largestIn(dir: string): Promise<number> {
  const files = await filesIn(dir)
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size))
  return Math.max(...sizes)
}

describe('a disk that fails', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  let network: Validators
  let acknowledged: string[] = []

  before(async () => {
    await sandbox.open()
    const input = recordLines('begin', 400)
    network = await Validators.make(sandbox, 'net', { input, batchSize: 100 })
  })
  after(async () => {
    try {
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  const dataOf = (name: string): string => join(network.config(name), '..', 'data')

  async function blockFileOf(name: string): Promise<string> {
    const files = (await filesIn(dataOf(name))).filter((file) => file.endsWith('.blocks'))
    return files.sort().at(-1)!
  }

  /** Sends records until `over` resolves, then waits for the acknowledgements of all. */
  async function loadUntil(prefix: string, over: (load: Load) => Promise<unknown>): Promise<void> {
    const load = new Load(network.client, prefix, network.client.endpoints)
    try {
      await load.start()
      await over(load)
      await load.pause()
      acknowledged = [...acknowledged, ...load.acknowledged.map(({ txId }) => txId)]
    } finally {
      await load.stop()
    }
  }

  async function expectNothingLost(): Promise<void> {
    await network.level()
    for (const name of network.names) {
      const counts = await transactionCounts(network.client, network.described(name).orderer)
      const lost = acknowledged.filter((txId) => counts.get(txId) !== 1)
      expect(lost, `not exactly once in the chain of ${name}`).to.deep.equal([])
    }
  }

  it('when it is full, the validator ends with the reason, and the others go on', async () => {
    const others = network.names.slice(0, 3)
    for (const name of others) network.start(name)
    const maxFileBytes = (await largestIn(dataOf('validator3'))) + roomBytes
    const full = network.start('validator3', { maxFileBytes })
    await network.ready()
    await loadUntil('full', async (load) => {
      expect(await full.ended, full.stderr).to.equal(ledgerFailed)
      await load.more(300)
    })
    expect(full.stderr).to.match(/no room \((EFBIG|27)\) to .*validator3/)
    expect(full.stderr).to.match(/exit status 74/)
    await network.level(others)
  })

  it('when there is room again, it starts, catches up without new traffic, and nothing is lost', async () => {
    network.start('validator3')
    await expectNothingLost()
  })

  it('when the last write to a block file was cut short, its remains are cut off', async () => {
    await network.kill('validator2')
    const file = await blockFileOf('validator2')
    const { size } = await stat(file)
    const block = (await readFile(file)).subarray(-2000)
    await appendFile(file, block.subarray(0, 1000))
    network.start('validator2')
    await expectNothingLost()
    expect((await stat(file)).size).to.equal(size)
  })

  it('when a block file is removed while it runs, the validator says so, and fetches it again', async () => {
    const file = await blockFileOf('validator2')
    await rm(file)
    const reason = new RegExp(`${file} was removed, moved or replaced$`)
    await seenBy(['validator2'], { condition: 'files-missing', reason }, { network, sandbox })
    // By the cure that it names.
    await network.kill('validator2')
    const ledger = join(dataOf('validator2'), 'ledger')
    await rename(ledger, `${ledger}.incomplete`)
    network.start('validator2')
    await expectNothingLost()
  })

  it('when its journal is removed while it runs, the validator says so, and writes it again', async () => {
    const journal = join(dataOf('validator2'), 'journal', 'records.journal')
    await rm(journal)
    const reason = new RegExp(`${journal} was removed, moved or replaced$`)
    await seenBy(['validator2'], { condition: 'files-missing', reason }, { network, sandbox })
    const isThere = (): Promise<boolean> => stat(journal).then(({ size }) => size > 0)
    // More than ten batches of 100, and far less than what a journal is rewritten for by its length.
    await loadUntil('journal', (load) => load.more(2000))
    await eventually('the journal is there again', isThere, 20_000)
    await expectNothingLost()
  })

  it('when a block was changed, the validator ends with file and offset, and changes nothing', async () => {
    await network.kill('validator1')
    const file = await blockFileOf('validator1')
    const handle = await open(file, 'r+')
    const middle = Math.floor((await handle.stat()).size / 2)
    await handle.write(Buffer.alloc(64, 0xff), 0, 64, middle)
    await handle.close()
    const before = await readFile(file)

    const damaged = network.start('validator1')
    expect(await damaged.ended, damaged.stderr).to.equal(ledgerFailed)
    expect(damaged.stderr)
      .to.include(file)
      .and.match(/damaged at offset \d+/)
    expect(damaged.stderr).to.match(/code: LEDGER_CORRUPT, exit status 74/)
    expect(Buffer.compare(await readFile(file), before), 'the file is as it was').to.equal(0)
    await loadUntil('damaged', (load) => load.more(300))
  })

  it('when the ledger is moved away, the validator fetches all of it again', async () => {
    const ledger = join(dataOf('validator1'), 'ledger')
    await rename(ledger, `${ledger}.damaged`)
    network.start('validator1')
    await expectNothingLost()
    await rm(`${ledger}.damaged`, { recursive: true })
  })
})

describe('a disk that is full for all validators of `network up`', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  before(() => sandbox.open())
  after(() => sandbox.close())

  const up = (...args: string[]): string[] => [
    ...['network', 'up', '--exit', '--json', '--batch-size', '100', '--dir', sandbox.path('net')],
    ...['--input', ...args],
  ]

  it('ends it with the reason, and a later run goes on with everything acknowledged', async () => {
    const input = await sandbox.file('input.ndjson', recordLines('r', 4000))
    const full = await sandbox.run(up(input), { maxFileBytes: 1200 * 1024 })
    expect(full.status, full.stderr).to.equal(ledgerFailed)
    expect(full.stderr).to.match(/heddle: validator\d gave up \(exit status 74\)/)
    expect(full.stderr).to.match(/^ {2}log: .*validator\d.log\.json$/m)
    expect(full.stderr).to.match(/^ {2}try: free some space/m)
    expect(full.stderr).to.match(/no room \((EFBIG|27)\)/)
    const done = full.heddle.find('progress')

    const few = await sandbox.file('few.ndjson', recordLines('again', 20))
    const next = await sandbox.run(up(few))
    expect(next.status, next.stderr).to.equal(0)
    const proof = next.heddle.find('summary')?.['proof'] as Proof
    expect(proof.held).to.equal(true)
    const blocks = await sandbox.run(['blocks', '--json', '--dir', sandbox.path('net')])
    expect(blocks.status, 'nobody runs any more').to.equal(69)
    expect(Number(done?.['accepted'])).to.be.greaterThan(0)
    expect(provenHeight(proof)).to.be.greaterThan(Number(done?.['blocks']))
  })
})

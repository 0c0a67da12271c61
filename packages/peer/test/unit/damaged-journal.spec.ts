import { expect } from 'chai'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStorage } from '../../src/node/storage.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { channelId, testChannel, testClock } from '../support/channel.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { Storage } from '../../src/node/storage.ts'

describe('a damaged journal', function () {
  this.timeout(30_000) // a loaded machine takes its time
  let dir = ''
  const logger = new RecordingLogger()
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-journal-'))
  })
  after(() => rm(dir, { recursive: true, force: true }))

  async function opened(): Promise<Storage> {
    const { genesis } = await testChannel(1)
    return openStorage({
      ...{ dir, channelId, genesis, logger, metrics: createMetrics(), clock: testClock() },
      consenter: { id: 1, mspId: 'OrderingMSP' },
    })
  }

  it('is set aside with a warning, and another one begins, which says why', async () => {
    const first = await opened()
    expect(first.journalDamage).to.equal(undefined)
    for (const text of ['one', 'two', 'three']) await first.journal.append([Buffer.from(text)])
    await first.close()
    const file = join(dir, 'journal', 'records.journal')
    const bytes = await readFile(file)
    bytes[bytes.indexOf('two')]! ^= 1
    await writeFile(file, bytes)

    const second = await opened()
    expect(await second.journal.records()).to.deep.equal([])
    expect(second.journalDamage).to.equal('the journal was damaged')
    await second.close()
    const aside = (await readdir(dir)).find((name) => name.startsWith('journal.damaged-'))!
    expect(await readFile(join(dir, aside, 'records.journal'))).to.deep.equal(bytes)
    const warned = logger.lines.filter(({ level }) => level === 'warn')
    expect(warned.map(({ event }) => event)).to.include(
      'journal damaged: it was set aside, and a new one begins',
    )
    const third = await opened()
    expect(third.journalDamage, 'the next time it is whole').to.equal(undefined)
    await third.close()
  })
})

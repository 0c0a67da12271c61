import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Conditions } from '../../src/node/conditions.ts'
import { DiskCheck, diskIntervalMs, lowSpaceBytes } from '../../src/node/disk-check.ts'
import { createMetrics } from '../../src/operations/metrics.ts'

const MiB = 1024 ** 2

function checking() {
  const clock = new VirtualClock()
  const conditions = new Conditions({ clock })
  const metrics = createMetrics()
  const disk = {
    missing: [] as string[],
    freeBytes: lowSpaceBytes,
    bytes: 20_000 * MiB,
    looks: 0,
    fails: false,
  }
  const storage = {
    missingFiles: () => {
      disk.looks++
      return disk.fails ? Promise.reject(new Error('closed')) : Promise.resolve(disk.missing)
    },
    space: () => Promise.resolve({ path: '/data', ...disk }),
  }
  const check = new DiskCheck({ storage, clock, conditions, metrics })
  const said = async (): Promise<unknown> => {
    await clock.advance(diskIntervalMs)
    check.look()
    await new Promise(setImmediate)
    return conditions.current.map(({ condition, reason }) => [condition, reason])
  }
  return { clock, check, disk, metrics, said }
}

describe('the check of a validator’s disk', () => {
  it('names a file that was taken while it runs, and how many more, until they are back', async () => {
    const { disk, said } = checking()
    expect(await said()).to.deep.equal([])
    disk.missing = ['/data/ledger/0.blocks']
    const taken = '/data/ledger/0.blocks was removed, moved or replaced'
    expect(await said()).to.deep.equal([['files-missing', taken]])
    disk.missing = ['/data/ledger/0.blocks', '/data/ledger/9.blocks', '/data/journal/r']
    expect(await said()).to.deep.equal([['files-missing', `${taken}, and 2 more`]])
    disk.missing = []
    expect(await said()).to.deep.equal([])
  })

  it('says that the disk is nearly full below 512 MiB, or a twentieth of a small one', async () => {
    const { disk, metrics, said } = checking()
    expect(await said()).to.deep.equal([])
    disk.freeBytes = lowSpaceBytes - 1
    expect(await said()).to.deep.equal([['disk-nearly-full', '511 MiB are free for /data']])
    expect(await metrics.text()).to.include(`heddle_disk_free_bytes ${lowSpaceBytes - 1}`)
    disk.bytes = 1000 * MiB
    disk.freeBytes = 50 * MiB
    expect(await said()).to.deep.equal([])
    disk.freeBytes -= 1
    expect(await said()).to.deep.equal([['disk-nearly-full', '49 MiB are free for /data']])
  })

  it('looks no more often than it has to, and keeps what it said when it cannot look', async () => {
    const { clock, check, disk, said } = checking()
    disk.missing = ['/data/ledger/0.blocks']
    await said()
    await clock.advance(diskIntervalMs - 1)
    check.look()
    await new Promise(setImmediate)
    expect(disk.looks).to.equal(1)
    disk.fails = true
    expect(await said()).to.have.length(1)
  })
})

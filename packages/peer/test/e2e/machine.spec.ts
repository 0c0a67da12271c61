import { expect } from 'chai'
import { execFileSync } from 'node:child_process'
import { appendFile, chmod, mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { filesNeeded, filesToLoad } from '../../src/open-files.ts'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { provenHeight } from '../support/proof.ts'
import type { Proof } from '../../src/network/proof.ts'
import type { Finished } from '../support/heddle.ts'

const isRoot = process.getuid?.() === 0

/** As everybody else: root may write where others may not. */
const ordinary = { unprivileged: isRoot }

/** Exit statuses that `heddle --help` lists. */
const statuses = { limit: 71, noAccess: 73, disk: 74 } as const

function expectFailure(result: Finished, status: number, what: RegExp): void {
  expect(result.status, result.stderr).to.equal(status)
  expect(result.stderr)
    .to.match(what)
    .and.match(/^ {2}try: ./m)
    .and.match(new RegExp(`exit status ${status}$`, 'm'))
  expect(result.stderr, 'no stack of JavaScript').not.to.match(/^ +at /m)
}

describe('a machine that gives too little', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  before(async () => {
    await sandbox.open()
  })
  after(() => sandbox.close())

  const up = (dir: string, input: string): string[] => [
    ...['network', 'up', '--exit', '--json', '--dir', dir, '--batch-size', '100'],
    ...['--input', input],
  ]

  describe('a folder that may not be written', () => {
    const folder = (): string => sandbox.path('locked')
    before(() => mkdir(folder(), { mode: 0o555 }))
    after(() => chmod(folder(), 0o755))

    it('is named by `network up`, which makes nothing', async () => {
      const result = await sandbox.run(up(join(folder(), 'net'), '-'), ordinary)
      expectFailure(result, statuses.noAccess, /^heddle: no permission for .*locked\/net \(EACCES/)
    })

    it('is named by `crypto generate`, and is no reason to remove material', async () => {
      const args = ['crypto', 'generate', '--dir', join(folder(), 'net')]
      const result = await sandbox.run(args, ordinary)
      expectFailure(result, statuses.noAccess, /^heddle: no permission for .*locked\/net/)
      expect(result.stderr).not.to.include('remove')
    })

    it('is named when a file is where it should be', async () => {
      const file = await sandbox.file('file', '')
      const result = await sandbox.run(up(file, '-'))
      expectFailure(result, statuses.noAccess, /file cannot be used: a file is where a folder/)
    })
  })

  describe('too few open files', () => {
    it('are named before anything is loaded', async () => {
      const maxOpenFiles = filesToLoad - 1
      const result = await sandbox.run(['version'], { maxOpenFiles })
      expectFailure(
        result,
        statuses.limit,
        new RegExp(
          `needs ${filesToLoad} open files, and this process may have ${maxOpenFiles}$`,
          'm',
        ),
      )
    })

    it('are named before a network is made, with how many it needs', async () => {
      const needed = filesNeeded(4)
      const few = await sandbox.run(up(sandbox.path('few'), '-'), { maxOpenFiles: needed - 1 })
      const what = new RegExp(`a network of 4 validators needs ${needed} open files`)
      expectFailure(few, statuses.limit, what)
    })

    it('are no more than a network under load needs', async () => {
      const input = await sandbox.file('load.ndjson', recordLines('load', 3000))
      const result = await sandbox.run(up(sandbox.path('enough'), input), {
        maxOpenFiles: filesNeeded(4),
      })
      expect(result.status, result.stderr).to.equal(0)
    })

    it('are named by a validator too', async () => {
      const config = sandbox.path('enough', 'validators', 'validator0', 'peer.yaml')
      const result = await sandbox.run(['peer', 'start', '--config', config], {
        maxOpenFiles: filesNeeded(4) - 1,
      })
      expectFailure(result, statuses.limit, /a validator in a network of 4 needs \d+ open files/)
    })
  })

  describe('a log that has no room', () => {
    it('ends nothing: the run goes on to its proof', async () => {
      const maxFileBytes = 1024 * 1024
      const dir = sandbox.path('talk')
      const input = await sandbox.file('talk.ndjson', recordLines('talk', 20))
      expect((await sandbox.run(up(dir, input))).status).to.equal(0)
      const log = join(dir, 'validators', 'validator0', 'log.json')
      const room = maxFileBytes - (await stat(log)).size
      const empty = `${JSON.stringify({ msg: '' })}\n`
      await appendFile(log, `${JSON.stringify({ msg: 'x'.repeat(room - empty.length) })}\n`)
      const result = await sandbox.run(up(dir, input), { maxFileBytes })
      expect(result.status, result.stderr).to.equal(0)
      expect((await stat(log)).size).to.equal(maxFileBytes)
    })

    it('takes no last words away: `network up` shows them and ends with their status', async function () {
      if (!canMount) return
      const disk = sandbox.path('disk')
      await mkdir(disk)
      const mount = (size: string): void => {
        execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk])
      }
      mount('1500k')
      try {
        const input = await sandbox.file('full.ndjson', recordLines('full', 8000))
        const result = await sandbox.run(up(join(disk, 'net'), input))
        expectFailure(result, statuses.disk, /^heddle: validator\d gave up \(exit status 74\):$/m)
        expect(result.stderr)
          .to.match(/no room \(ENOSPC\) to append to .*validator\d/)
          .and.match(/^ {2}log: .*validator\d\/log\.json$/m)
        execFileSync('mount', ['-o', 'remount,size=64m', disk])
        const few = await sandbox.file('few.ndjson', recordLines('few', 20))
        const next = await sandbox.run(up(join(disk, 'net'), few))
        expect(next.status, next.stderr).to.equal(0)
        const proof = next.heddle.find('summary')?.['proof'] as Proof
        const before = result.heddle.find('progress')
        expect(provenHeight(proof)).to.be.greaterThan(Number(before?.['blocks']))
      } finally {
        execFileSync('umount', [disk])
        await rm(disk, { recursive: true })
      }
    })
  })
})

/** Whether a disk of one's own can be had: only root may mount, and not in every container. */
const canMount = isRoot && mountWorks()

function mountWorks(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

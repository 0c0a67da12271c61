import { expect } from 'chai'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CodedError } from '@heddle/interface'
import { createProgram } from '../../src/cli/program.ts'
import { GaveUp, PeerError } from '../../src/errors.ts'
import { exitCodeOf, exitCodes, exitMeanings } from '../../src/exit-status.ts'
import { explainSystemError, systemCauseOf } from '../../src/system-error.ts'

/** An error as the operating system words it. */
function system(code: string | number, path?: string): Error {
  return Object.assign(new Error(`${code}: refused`), { code, syscall: 'open', path })
}

/** The sections of the package's README, by their titles. */
async function readmeSection(title: string): Promise<string> {
  const text = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  return text.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!
}

describe('exit statuses', () => {
  it('are those that the README and --help list, with the same words', async () => {
    const rows = [...(await readmeSection('Exit status')).matchAll(/^\| (\d+) +\| (.+?) +\|/gm)]
    const readme = rows.map(([, status, meaning]) => [Number(status), meaning])
    const names = Object.keys(exitCodes) as (keyof typeof exitCodes)[]
    expect(readme).to.deep.equal(names.map((name) => [exitCodes[name], exitMeanings[name]]))
    let help = ''
    const program = createProgram()
    program.configureOutput({ writeOut: (text) => (help += text) })
    program.outputHelp()
    for (const [status, meaning] of readme) {
      expect(help).to.match(new RegExp(`^  ${status} +${meaning}$`, 'm'))
    }
  })

  it('are those of what the operating system refused', () => {
    const expected: Record<string, number> = {
      EACCES: 73,
      EPERM: 73,
      EROFS: 73,
      ENOTDIR: 73,
      EEXIST: 73,
      EISDIR: 73,
      ENAMETOOLONG: 73,
      ELOOP: 73,
      ENOENT: 66,
      ENOSPC: 74,
      EDQUOT: 74,
      EFBIG: 74,
      EIO: 74,
      EMFILE: 71,
      ENFILE: 71,
      EAGAIN: 71,
      ENOMEM: 71,
    }
    for (const [code, status] of Object.entries(expected)) {
      expect(exitCodeOf(system(code)), code).to.equal(status)
      const explained = explainSystemError(system(code, '/some/file'))
      expect(explained?.message, code).to.include('/some/file').and.include(`(${code} in open)`)
      expect(explained?.cure, code).to.match(/\w/)
      expect(exitCodeOf(explained)).to.equal(status)
    }
    expect(exitCodeOf(system(13)), 'lmdb gives numbers').to.equal(73)
  })

  it('follow a cause where an error says nothing, and what was refused where it says too little', () => {
    const full = new CodedError('LEDGER_DISK_FULL', 'x')
    expect(exitCodeOf(new CodedError('PBFT_JOURNAL_FAILED', 'x', { cause: full }))).to.equal(74)
    const unwritable = { cause: system('EROFS') }
    expect(exitCodeOf(new CodedError('LEDGER_IO', 'x', unwritable))).to.equal(73)
    expect(exitCodeOf(new CodedError('LEDGER_IO', 'x', { cause: new Error('y') }))).to.equal(74)
    expect(exitCodeOf(new CodedError('LEDGER_LOCKED', 'x'))).to.equal(75)
    expect(exitCodeOf(new CodedError('MSP_INVALID_CONFIG', 'x'))).to.equal(78)
    for (const name of ['PBFT', 'COMM', 'ORDERER', 'DELIVER']) {
      expect(exitCodeOf(new CodedError(`${name}_INVALID_OPTIONS`, 'x')), name).to.equal(78)
    }
  })

  it('are those of the cause where it is known why the journal or a block failed', () => {
    for (const code of ['PBFT_JOURNAL_FAILED', 'PBFT_EXECUTION_FAILED', 'LEDGER_IO']) {
      const failed = (cause: unknown): number => exitCodeOf(new CodedError(code, 'x', { cause }))
      expect(failed(system('EMFILE')), code).to.equal(exitCodes.limit)
      expect(failed(new PeerError('PEER_UNKNOWN_RULES', 'x')), code).to.equal(exitCodes.config)
      expect(failed(new TypeError('x')), code).to.equal(exitCodes.disk)
    }
  })

  it('are 70 for what nobody foresaw only', () => {
    expect(exitCodeOf(new TypeError('x is not a function'))).to.equal(70)
    expect(exitCodeOf('thrown')).to.equal(70)
    expect(exitCodeOf(Object.assign(new Error('x'), { code: 'ERR_ASSERTION' }))).to.equal(70)
  })

  it('are those of the validator that gave up, when they tell what was wrong', () => {
    for (const status of [71, 73, 74, 75, 78]) {
      expect(exitCodeOf(new GaveUp(status, 'x'))).to.equal(status)
    }
    for (const status of [null, 0, 1, 137]) {
      expect(exitCodeOf(new GaveUp(status, 'x')), String(status)).to.equal(69)
    }
  })
})

describe('refusals of the operating system', () => {
  let dir = ''
  before(async () => (dir = await mkdtemp(join(tmpdir(), 'heddle-system-'))))
  after(() => rm(dir, { recursive: true }))

  async function refusal(action: () => Promise<unknown>): Promise<unknown> {
    try {
      await action()
    } catch (error) {
      return error
    }
    return undefined
  }

  it('are named as they come, with path and cure', async () => {
    const file = join(dir, 'file')
    await writeFile(file, '')
    const inside = await refusal(() => mkdir(join(file, 'sub'), { recursive: true }))
    expect(explainSystemError(inside)?.message).to.equal(
      `${join(file, 'sub')} cannot be used: a file is where a folder should be, or the reverse (ENOTDIR in mkdir)`,
    )
    const missing = await refusal(() => readFile(join(dir, 'none')))
    expect(explainSystemError(missing)).to.include({ code: 'PEER_FILE_MISSING' })
  })

  it('are found behind other errors, except that a file is missing', () => {
    const wrapped = (code: string): Error =>
      new Error('outer', { cause: new Error('middle', { cause: system(code) }) })
    expect(systemCauseOf(wrapped('ENOSPC'), '/folder')?.message).to.include('/folder')
    expect(systemCauseOf(wrapped('ENOENT'))).to.equal(undefined)
    expect(systemCauseOf(new Error('none'))).to.equal(undefined)
    const circle = new Error('circle')
    circle.cause = circle
    expect(systemCauseOf(circle)).to.equal(undefined)
  })

  it('are not explained twice, nor what is none', () => {
    expect(explainSystemError(new PeerError('PEER_NO_ACCESS', 'x'))).to.equal(undefined)
    expect(explainSystemError(Object.assign(new Error('x'), { code: 1.5 }))).to.equal(undefined)
    expect(explainSystemError(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))).to.equal(
      undefined,
    )
  })
})

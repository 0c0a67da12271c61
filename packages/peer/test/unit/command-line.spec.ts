import { expect } from 'chai'
import { describeFailure } from '../../src/cli/failure.ts'
import { grouped, markUnverified, toJson } from '../../src/cli/output.ts'
import { createProgram } from '../../src/cli/program.ts'
import { PeerError } from '../../src/errors.ts'
import {
  bar,
  createProgressDisplay,
  describe as describeProgress,
} from '../../src/network/progress.ts'
import { readGenesisAccounts } from '../../src/node/genesis-state.ts'
import type { Command } from 'commander'

const progress = {
  submitted: 30,
  acknowledged: 20,
  accepted: 10,
  rejected: 5,
  total: 30,
  notSubmitted: 0,
  blocks: 3n,
  txPerSecond: 1234.4,
  view: 2n,
  primary: 'validator2',
  heights: [4n, undefined, 1234n],
  notWell: [],
}

describe('the command line', () => {
  it('has help with an example for every command', () => {
    const leaves = (command: Command): Command[] =>
      command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
    const commands = leaves(createProgram())
    expect(commands.map((each) => each.name()).sort()).to.deep.equal(
      [
        'blocks',
        'completion',
        'config',
        'doctor',
        'generate',
        'query',
        'start',
        'start',
        'status',
        'stop',
        'submit',
        'up',
        'version',
      ].sort(),
    )
    for (const command of commands) {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) })
      command.outputHelp()
      expect(help, command.name()).to.match(/Examples?:\n/)
    }
  })

  it('prints what happened, why, what to do, the code and the exit status', () => {
    const error = new PeerError('PEER_PORT_BUSY', 'port taken', {
      cure: 'choose another',
      cause: new Error('EADDRINUSE'),
    })
    expect(describeFailure(error)).to.equal(
      'heddle: port taken\n  because: EADDRINUSE\n  try: choose another\n  code: PEER_PORT_BUSY, exit status 75\n',
    )
  })

  it('says a cause only once, and the cure of whatever caused it', () => {
    const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
    const error = new Error(`cannot append to a.blocks: ${full.message}`, { cause: full })
    expect(describeFailure(error)).to.equal(
      'heddle: cannot append to a.blocks: ENOSPC: no space left\n' +
        '  try: free some space and start again: what was acknowledged is kept\n' +
        '  exit status 74\n',
    )
  })

  it('ends for causes that go in a circle', () => {
    const error = new Error('a')
    error.cause = new Error('b', { cause: error })
    expect(describeFailure(error)).to.equal('heddle: a\n  because: b\n  exit status 70\n')
  })

  it('names the members of an object that nobody has checked: all, or those that are given', () => {
    expect(markUnverified({ a: 1, b: 2 })).to.deep.equal({ a: 1, b: 2, unverified: ['a', 'b'] })
    expect(markUnverified({ a: 1, b: 2 }, ['b'])).to.have.deep.property('unverified', ['b'])
  })

  it('groups digits, and writes bigints as JSON numbers or digits', () => {
    expect(grouped(1234567)).to.equal('1,234,567')
    expect(toJson({ a: 5n, b: 2n ** 64n })).to.equal('{"a":5,"b":"18446744073709551616"}')
  })
})

describe('the progress display', () => {
  it('says everything in one line', () => {
    expect(describeProgress(progress)).to.equal(
      `${'█'.repeat(10)}${'░'.repeat(10)}  50 % | 15/30 | 1,234 tx/s | 3 blocks | view 2, primary validator2 | heights, as reported: 4 – 1,234`,
    )
    expect(bar(7, undefined)).to.equal('7 transactions')
  })

  it('prints plain lines without a terminal, and JSON lines when asked', () => {
    const lines: string[] = []
    const output = { line: (text: string) => void lines.push(text), note: () => undefined }
    const stream = { isTTY: false } as unknown as NodeJS.WriteStream
    const plain = createProgressDisplay({ json: false, stream, output })
    for (let update = 0; update < 6; update++) plain.update(progress)
    plain.end()
    expect(lines, 'every fifth update').to.have.length(2)
    createProgressDisplay({ json: true, stream, output }).update(progress)
    const json = JSON.parse(lines[2] ?? '') as object
    expect(json).to.include({ type: 'progress', accepted: 10, blocks: 3 })
    expect(json, 'the word of one').to.have.deep.property('unverified', ['heights', 'notWell'])
  })

  it('names the validators that say that something is wrong with them', () => {
    expect(describeProgress({ ...progress, notWell: ['validator1', 'validator3'] })).to.include(
      ' | not well: validator1, validator3 | ',
    )
    expect(describeProgress(progress)).not.to.include('not well')
  })

  it('leaves out what does not fit, and shows bar, count and rate in 60 columns', () => {
    const large = { ...progress, accepted: 9_000_000, rejected: 500_000, total: 10_000_000 }
    expect(describeProgress({ ...large, txPerSecond: 12_345 }, 60)).to.equal(
      `${'█'.repeat(19)}░  95 % | 9,500,000/10,000,000`,
    )
    expect(describeProgress(progress, 59)).to.equal(
      `${'█'.repeat(10)}${'░'.repeat(10)}  50 % | 15/30 | 1,234 tx/s | 3 blocks`,
    )
    expect(describeProgress(progress, 26)).to.equal(`${'█'.repeat(10)}${'░'.repeat(10)}  50 %`)
    expect(describeProgress(progress, 5)).to.equal('█████')
  })

  it('ends at 100 % when some lines became no transaction', () => {
    expect(describeProgress({ ...progress, notSubmitted: 14 })).to.match(/ 96 % \| 29\/30 /)
    expect(describeProgress({ ...progress, notSubmitted: 15 })).to.match(/█ 100 % \| 30\/30 /)
  })

  it('draws over one line of a terminal, no longer than it is wide', () => {
    let written = ''
    const stream = { isTTY: true, columns: 27, write: (text: string) => (written += text) }
    const display = createProgressDisplay({
      json: false,
      stream: stream as unknown as NodeJS.WriteStream,
      output: { line: () => undefined, note: () => undefined },
    })
    display.update(progress)
    display.end()
    expect(written).to.equal(`\r\u001b[K${'█'.repeat(10)}${'░'.repeat(10)}  50 %\n`)
  })
})

describe('genesis accounts', () => {
  it('reads whole units of any size', () => {
    expect(readGenesisAccounts('{"a": 12345678901234567890, "b": 0}', 'f')).to.deep.equal(
      new Map([
        ['a', 12345678901234567890n],
        ['b', 0n],
      ]),
    )
  })

  it('names file and account of what is wrong', () => {
    expect(() => readGenesisAccounts('{"a": 1.5}', 'f.json')).to.throw(
      /f\.json: account "a": amount 1\.5/,
    )
    expect(() => readGenesisAccounts('{"": 1}', 'f.json')).to.throw(/account name ""/)
    expect(() => readGenesisAccounts('[]', 'f.json')).to.throw(/f\.json: not a JSON object/)
  })
})

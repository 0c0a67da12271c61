import { expect } from 'chai'
import { EventEmitter, once } from 'node:events'
import { PassThrough } from 'node:stream'
import { VirtualClock } from '@heddle/events/testing'
import {
  ValidatorProcesses,
  maxRestarts,
  restartsMs,
  statusOfEnd,
} from '../../src/network/processes.ts'
import type { ChildProcess } from 'node:child_process'
import type { ProcessEnd } from '../../src/network/processes.ts'

/** A process that does what the test says. */
class FakeProcess extends EventEmitter {
  readonly stdin = new PassThrough()
  readonly stderr = new PassThrough()
  readonly signals: string[] = []
  exitCode: number | null = null
  signalCode: NodeJS.Signals | null = null
  pid: number | undefined
  /** Whether SIGTERM ends it. */
  obedient = true

  constructor(pid: number | undefined) {
    super()
    this.pid = pid
  }

  kill(signal: NodeJS.Signals): boolean {
    this.signals.push(signal)
    if (this.exitCode !== null || this.signalCode !== null) return false
    if (signal === 'SIGKILL' || this.obedient) this.end(null, signal)
    return true
  }

  end(code: number | null, signal: NodeJS.Signals | null): void {
    this.exitCode = code
    this.signalCode = signal
    this.emit('exit', code, signal)
    this.emit('close', code, signal)
  }
}

describe('ValidatorProcesses', () => {
  let clock: VirtualClock
  let children: FakeProcess[]
  let ends: [ProcessEnd, boolean][]
  let refuse: Error | undefined
  let processes: ValidatorProcesses

  beforeEach(() => {
    clock = new VirtualClock()
    children = []
    ends = []
    refuse = undefined
    processes = new ValidatorProcesses(
      clock,
      (end, restarted) => ends.push([end, restarted]),
      ({ name }) => {
        if (refuse !== undefined) throw refuse
        expect(name).to.match(/^validator/)
        const child = new FakeProcess(1000 + children.length)
        children.push(child)
        return child as unknown as ChildProcess
      },
    )
  })

  function start(name = 'validator0'): FakeProcess {
    processes.start({ name, config: 'config.yaml', log: '/dev/null' })
    return latest()
  }

  function latest(): FakeProcess {
    const child = children.at(-1)
    if (child === undefined) throw new TypeError('no process was started')
    return child
  }

  it('starts a validator again that was killed, and tells its new process', () => {
    start()
    expect(processes.pid('validator0')).to.equal(1000)
    latest().end(null, 'SIGKILL')
    expect(children).to.have.length(2)
    expect(processes.pid('validator0')).to.equal(1001)
    expect(ends).to.deep.equal([
      [{ name: 'validator0', code: null, signal: 'SIGKILL', words: '' }, true],
    ])
  })

  it(`starts each validator again ${maxRestarts} times, and no more`, () => {
    start()
    start('validator1')
    children[0]!.end(null, 'SIGKILL')
    for (let restart = 1; restart < maxRestarts; restart += 1) latest().end(null, 'SIGSEGV')
    expect(ends.map(([, again]) => again)).to.deep.equal(Array(maxRestarts).fill(true))
    latest().end(null, 'SIGKILL')
    expect(ends.at(-1)?.[1]).to.equal(false)
    expect(children).to.have.length(2 + maxRestarts)
    expect(processes.pid('validator0')).to.equal(undefined)
    children[1]!.end(null, 'SIGKILL')
    expect(ends.at(-1)).to.deep.equal([
      { name: 'validator1', code: null, signal: 'SIGKILL', words: '' },
      true,
    ])
  })

  it('forgets a restart after restartsMs', async () => {
    start()
    latest().end(null, 'SIGKILL')
    await clock.advance(1)
    for (let restart = 1; restart < maxRestarts; restart += 1) latest().end(null, 'SIGKILL')
    await clock.advance(restartsMs - 1)
    latest().end(null, 'SIGKILL')
    expect(ends.at(-1)?.[1], 'the first is forgotten').to.equal(true)
    latest().end(null, 'SIGKILL')
    expect(ends.at(-1)?.[1], 'the others count').to.equal(false)
    start()
    for (let restart = 0; restart < maxRestarts; restart += 1) latest().end(null, 'SIGKILL')
    expect(ends.at(-1)?.[1], 'none counts for one that somebody starts again').to.equal(true)
  })

  it('leaves a validator ended that gave up by itself', () => {
    for (const code of [0, 1, 137]) {
      start(`validator${code}`).end(code, null)
      expect(ends.at(-1)).to.deep.equal([
        { name: `validator${code}`, code, signal: null, words: '' },
        false,
      ])
      expect(processes.pid(`validator${code}`)).to.equal(undefined)
    }
    expect(children).to.have.length(3)
  })

  it('tells what it said last, all of it, however late that comes', async () => {
    start()
    const child = latest()
    child.stderr.write('some noise\nheddle: the disk is full\n')
    child.exitCode = 74
    child.emit('exit', 74, null)
    child.stderr.end('  try: free some space\n')
    await once(child.stderr, 'end')
    expect(ends, 'not before its output has ended').to.deep.equal([])
    child.emit('close', 74, null)
    const words = 'heddle: the disk is full\n  try: free some space'
    expect(ends).to.deep.equal([[{ name: 'validator0', code: 74, signal: null, words }, false]])
  })

  it('takes SIGBUS for a full disk: it says so, and starts nothing again', () => {
    start().end(null, 'SIGBUS')
    const [end, again] = ends.at(-1)!
    expect(again).to.equal(false)
    expect(end.words).to.match(/the disk is full or fails\n {2}try: /)
    expect(statusOfEnd(end)).to.equal(74)
    expect(statusOfEnd({ ...end, signal: 'SIGKILL' })).to.equal(null)
    expect(statusOfEnd({ ...end, code: 75, signal: null })).to.equal(75)
  })

  it('tells of a process that could not be started, and does not wait for it', async () => {
    start()
    latest().pid = undefined
    latest().emit('error', new Error('spawn EAGAIN'))
    latest().emit('close', -11, null)
    expect(ends).to.deep.equal([
      [{ name: 'validator0', code: null, signal: null, words: 'spawn EAGAIN' }, false],
    ])
    expect(processes.pid('validator0')).to.equal(undefined)
    await processes.stop()
  })

  it('goes on when a signal could not be sent', async () => {
    start()
    latest().emit('error', new Error('kill EPERM'))
    expect(ends).to.deep.equal([])
    expect(processes.pid('validator0')).to.equal(1000)
    await processes.stop()
  })

  it('says so when it cannot start a killed validator again', () => {
    start()
    refuse = new Error('no space left on device')
    latest().end(null, 'SIGKILL')
    expect(ends.map(([, again]) => again)).to.deep.equal([false])
  })

  it('is not disturbed when a validator closes its input', () => {
    start()
    latest().stdin.emit('error', new Error('write EPIPE'))
    expect(processes.pid('validator0')).to.equal(1000)
  })

  it('asks all to stop, waits for them, and starts none again', async () => {
    start()
    start('validator1')
    for (const child of children) child.obedient = false
    let stopped = false
    const done = processes.stop().then(() => (stopped = true))
    children[0]!.end(0, null)
    await clock.advance(5000)
    expect(stopped).to.equal(false)
    expect(children.map(({ signals }) => signals)).to.deep.equal([['SIGTERM'], ['SIGTERM']])
    children[1]!.end(null, 'SIGTERM')
    await done
    expect(children).to.have.length(2)
    expect(ends).to.deep.equal([])
    expect(clock.pending).to.equal(0)
  })

  it('kills whoever has not stopped after ten seconds', async () => {
    start()
    latest().obedient = false
    const done = processes.stop()
    await clock.advance(9_999)
    expect(latest().signals).to.deep.equal(['SIGTERM'])
    await clock.advance(1)
    expect(latest().signals).to.deep.equal(['SIGTERM', 'SIGKILL'])
    await done
    expect(clock.pending).to.equal(0)
  })

  it('kills all at once, and starts none again', () => {
    start()
    start('validator1')
    processes.kill()
    expect(children.map(({ signals }) => signals)).to.deep.equal([['SIGKILL'], ['SIGKILL']])
    expect(children).to.have.length(2)
    expect(ends).to.deep.equal([])
  })

  it('stops at once when nothing runs', async () => {
    await processes.stop()
    start().end(1, null)
  })
})

import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { NetworkLock, isRunning, requestStart, requestStop } from '../../src/network/control.ts'
import type { Orders } from '../../src/network/control.ts'
import { ownFolder } from '../../src/network/folder-owner.ts'
import type { Socket } from 'node:net'

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  return isCodedError(error) ? error.code : `no coded error: ${String(error)}`
}

/** What takes orders; a validator that is named `validator1` is started. */
function ordersTo(stop: () => unknown = () => undefined): Orders {
  const start = (name: string): Promise<string | undefined> =>
    Promise.resolve(name === 'validator1' ? undefined : `there is no ${name}`)
  return { stop: () => void stop(), start }
}

/** The id of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

describe('the lock of a network', () => {
  let dir: string
  let owner: string
  let asked: number
  const locks: NetworkLock[] = []

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-lock-'))
    owner = join(dir, 'network.owner')
    asked = 0
  })
  afterEach(async () => {
    for (const lock of locks.splice(0)) await lock.release()
    await rm(dir, { recursive: true, force: true })
  })

  function createLock(folder = dir): NetworkLock {
    const lock = new NetworkLock(folder)
    locks.push(lock)
    return lock
  }

  async function acquire(folder = dir): Promise<NetworkLock> {
    const lock = createLock(folder)
    await lock.acquire(ordersTo(() => (asked += 1)))
    return lock
  }

  /** Leaves a mark as a process that was killed does. */
  async function leave(name: string, ageMs: number): Promise<void> {
    await mkdir(owner, { recursive: true })
    await writeFile(join(owner, name), '')
    await age(name, ageMs)
  }

  async function age(name: string, ageMs: number): Promise<void> {
    const then = new Date(Date.now() - ageMs)
    await utimes(join(owner, name), then, then)
  }

  /** Whose mark there is: the start of its name. */
  async function owners(folder = owner): Promise<string[]> {
    return (await readdir(folder)).map((name) => name.split('-')[0]!)
  }

  it('makes the folder, says who has it, and leaves nothing behind', async () => {
    const folder = join(dir, 'made', 'for it')
    const lock = await acquire(folder)
    expect(await owners(join(folder, 'network.owner'))).to.deep.equal([String(process.pid)])
    expect(await isRunning(folder)).to.equal(true)
    await lock.release()
    await lock.release()
    expect(await isRunning(folder)).to.equal(false)
    expect(await readdir(folder)).to.deep.equal([])
  })

  it('keeps a second owner out, who leaves the first alone, until it is released', async () => {
    const first = await acquire()
    const second = createLock()
    expect(await codeOf(second.acquire(ordersTo()))).to.equal('PEER_NETWORK_RUNNING')
    await second.release()
    expect(await isRunning(dir)).to.equal(true)
    expect(await owners()).to.deep.equal([String(process.pid)])
    await first.release()
    await second.acquire(ordersTo())
    expect(asked).to.equal(0)
  })

  it('lets one of many in who come at once', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquire()))
    const won = outcomes.filter(({ status }) => status === 'fulfilled')
    expect(won).to.have.length(1)
  })

  it('lets one of many in who find at once that the owner died', async () => {
    const left = `${deadPid()}-0a`
    for (let round = 0; round < 5; round += 1) {
      await leave(left, 0)
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquire()))
      const won = outcomes.filter(({ status }) => status === 'fulfilled')
      expect(won, `round ${round}`).to.have.length(1)
      for (const lock of locks.splice(0)) await lock.release()
      expect(await readdir(dir), `round ${round}`).to.deep.equal([])
    }
  })

  it('leaves alone who has taken the place of the dead owner while it looked', async () => {
    await leave(`${deadPid()}-0a`, 0)
    const nobody = (): Promise<boolean> => Promise.resolve(false)
    let first: unknown
    const second = await ownFolder(dir, async () => {
      first = await ownFolder(dir, nobody)
      return false
    })
    expect(first).to.be.a('function')
    expect(second).to.equal(undefined)
    expect(await owners()).to.deep.equal([String(process.pid)])
  })

  it('keeps out of a folder whose owner lives and does not listen yet', async () => {
    await leave(`${process.pid}-0a`, 0)
    expect(await codeOf(acquire())).to.equal('PEER_NETWORK_RUNNING')
    expect(await owners()).to.deep.equal([String(process.pid)])
  })

  it('keeps out of a folder whose owner listens, however long it has', async () => {
    await acquire()
    for (const mark of await readdir(owner)) await age(mark, 60_000)
    expect(await codeOf(acquire())).to.equal('PEER_NETWORK_RUNNING')
    expect(await isRunning(dir)).to.equal(true)
  })

  it('asks whether an owner listens only once it has had the time to', async () => {
    const mark = `${process.pid}-0a`
    await leave(mark, 0)
    const soon = async (): Promise<boolean> => {
      await age(mark, 60_000)
      return false
    }
    expect(await ownFolder(dir, soon)).to.equal(undefined)
    expect(await readdir(owner)).to.deep.equal([mark])
  })

  it('takes the place of an owner that died, however lately', async () => {
    await leave(`${deadPid()}-0a`, 0)
    await acquire()
    expect(await owners()).to.deep.equal([String(process.pid)])
  })

  it('takes the place of an owner whose id another process has now', async () => {
    await leave(`${process.pid}-0a`, 60_000)
    await acquire()
    expect(await isRunning(dir)).to.equal(true)
  })

  it('takes the place of nobody: of an empty folder, of a process that cannot be', async () => {
    await mkdir(owner)
    await (await acquire()).release()
    await leave(`${'9'.repeat(30)}-0a`, 0)
    await acquire()
    expect(await owners()).to.deep.equal([String(process.pid)])
  })

  it('removes nothing that is no mark', async () => {
    await leave('9-notes.txt', 60_000)
    expect(await codeOf(acquire())).to.equal('PEER_NETWORK_RUNNING')
    expect(await readdir(owner)).to.deep.equal(['9-notes.txt'])
    expect(await readdir(dir)).to.deep.equal(['network.owner'])
  })

  it('takes the place of a socket that nobody listens on any more', async () => {
    await writeFile(join(dir, 'control.sock'), '')
    await leave(`${deadPid()}-0a`, 0)
    expect(await isRunning(dir)).to.equal(false)
    await acquire()
    expect(await isRunning(dir)).to.equal(true)
  })

  it('gives the lock back when it cannot listen', async () => {
    await mkdir(join(dir, 'control.sock', 'in the way'), { recursive: true })
    const error: unknown = await acquire().catch((reason: unknown) => reason)
    expect(error).to.be.an('error')
    expect(existsSync(owner)).to.equal(false)
    await rm(join(dir, 'control.sock'), { recursive: true })
    await acquire()
  })

  it('works in folders whose paths are too long for a socket, and tells them apart', async () => {
    const folder = join(dir, 'x'.repeat(120), 'one')
    const other = join(dir, 'x'.repeat(120), 'other')
    const lock = await acquire(folder)
    expect(await isRunning(folder)).to.equal(true)
    for (const each of [dir, other]) expect(await isRunning(each)).to.equal(false)
    await acquire(other)
    expect(await codeOf(acquire(folder))).to.equal('PEER_NETWORK_RUNNING')
    await lock.release()
    expect(await isRunning(folder)).to.equal(false)
  })

  describe('asking to stop', () => {
    it('resolves when the owner has released it, and not before', async () => {
      const events: string[] = []
      const lock = createLock()
      let onStop: () => void = () => undefined
      const told = new Promise<void>((resolve) => (onStop = resolve))
      await lock.acquire(ordersTo(() => onStop()))
      const stopped = requestStop(dir).then(() => events.push('stopped'))
      await told
      for (let looks = 0; looks < 5; looks += 1) expect(await isRunning(dir)).to.equal(true)
      events.push('released')
      await lock.release()
      await stopped
      expect(events).to.deep.equal(['released', 'stopped'])
    })

    it('rejects when nobody runs there', async () => {
      expect(await codeOf(requestStop(dir))).to.equal('PEER_NETWORK_NOT_RUNNING')
      await leave(`${process.pid}-0a`, 0)
      expect(await codeOf(requestStop(dir))).to.equal('PEER_NETWORK_NOT_RUNNING')
    })
  })

  describe('asking to start a validator', () => {
    it('resolves when it was started, and rejects with the reason why it was not', async () => {
      await acquire()
      await requestStart(dir, 'validator1')
      const error: unknown = await requestStart(dir, 'validator9').catch((each: unknown) => each)
      expect(error).to.include({
        code: 'PEER_INVALID_OPTION',
        message: 'there is no validator9',
      })
      expect(asked, 'to stop').to.equal(0)
    })

    it('rejects a name that cannot be one, and when nobody runs there', async () => {
      expect(await codeOf(requestStart(dir, 'validator1'))).to.equal('PEER_NETWORK_NOT_RUNNING')
      await acquire()
      for (const name of ['', 'validator1\nstop', 'v'.repeat(100)])
        expect(await codeOf(requestStart(dir, name)), name).to.equal('PEER_INVALID_OPTION')
      const error: unknown = await requestStart(dir, 'Validator1').catch((each: unknown) => each)
      expect(error).to.have.property('message', 'Validator1 is not the name of a validator')
      expect(asked).to.equal(0)
    })

    it('tells what may not be looked into from where nobody runs', async () => {
      const file = join(dir, 'file')
      await writeFile(file, '')
      for (const asking of [requestStart(file, 'validator1'), requestStop(file)])
        expect(await codeOf(asking)).to.equal('PEER_NO_ACCESS')
    })
  })

  describe('on its socket', () => {
    const open = (): Promise<Socket> =>
      new Promise((resolve) => {
        const socket = connect(join(dir, 'control.sock'), () => resolve(socket))
        socket.on('error', () => undefined)
        socket.resume()
      })
    const closed = (socket: Socket): Promise<void> =>
      new Promise((resolve) => socket.once('close', () => resolve()))

    it('stops for nothing but the order, and hangs up on anything else', async () => {
      await acquire()
      const garbage = ['x', 'STOP\n', ' stop\n', 'stop\nmore', 'stop \n', '\n', 'GET / HTTP']
      garbage.push('start \n', 'start ../x\n', `start ${'v'.repeat(64)}`, 'startx', 'start a\nb')
      for (const text of [...garbage, '\u0000'.repeat(100_000), 'stop']) {
        const socket = await open()
        const over = closed(socket)
        socket.write(text)
        // What may still become the order is waited for.
        if (text === 'stop') socket.end()
        await over
        expect(asked, JSON.stringify(text.slice(0, 20))).to.equal(0)
      }
      expect(await isRunning(dir)).to.equal(true)
    })

    it('takes an order that comes in pieces, once', async () => {
      let onStop: () => void = () => undefined
      const told = new Promise<void>((resolve) => (onStop = resolve))
      const stop = (): void => {
        asked += 1
        onStop()
      }
      await createLock().acquire(ordersTo(stop))
      const socket = await open()
      socket.setNoDelay(true)
      for (const letter of 'stop\n') {
        await new Promise<void>((resolve) => {
          socket.write(letter, () => setImmediate(resolve))
        })
      }
      await told
      expect(asked).to.equal(1)
      socket.destroy()
    })

    it('is not disturbed by those who break off, and lets go of those who wait', async () => {
      const lock = await acquire()
      const broken = await open()
      broken.write('st')
      broken.destroy()
      const waiting = await open()
      const over = closed(waiting)
      await lock.release()
      await over
      expect(asked).to.equal(0)
    })
  })
})

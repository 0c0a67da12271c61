import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { NetworkLock, isRunning, requestStop } from '../../src/network/control.ts'
import type { Socket } from 'node:net'

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  return isCodedError(error) ? error.code : `no coded error: ${String(error)}`
}

/** The id of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid
}

describe('the lock of a network', () => {
  let dir: string
  let lockFile: string
  let asked: number
  const locks: NetworkLock[] = []

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-lock-'))
    lockFile = join(dir, 'network.lock')
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
    await lock.acquire(() => (asked += 1))
    return lock
  }

  /** Leaves a lock as a process that was killed does. */
  async function leave(content: string, ageMs: number): Promise<void> {
    await writeFile(lockFile, content)
    const then = new Date(Date.now() - ageMs)
    await utimes(lockFile, then, then)
  }

  it('makes the folder, says who has it, and leaves nothing behind', async () => {
    const folder = join(dir, 'made', 'for it')
    const lock = await acquire(folder)
    expect(await readFile(join(folder, 'network.lock'), 'utf8')).to.equal(String(process.pid))
    expect(await isRunning(folder)).to.equal(true)
    await lock.release()
    await lock.release()
    expect(await isRunning(folder)).to.equal(false)
    expect(await readdir(folder)).to.deep.equal([])
  })

  it('keeps a second owner out, who leaves the first alone, until it is released', async () => {
    const first = await acquire()
    const second = createLock()
    expect(await codeOf(second.acquire(() => undefined))).to.equal('PEER_NETWORK_RUNNING')
    await second.release()
    expect(await isRunning(dir)).to.equal(true)
    expect(existsSync(lockFile)).to.equal(true)
    await first.release()
    await second.acquire(() => undefined)
    expect(asked).to.equal(0)
  })

  it('lets one of many in who come at once', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquire()))
    const won = outcomes.filter(({ status }) => status === 'fulfilled')
    expect(won).to.have.length(1)
  })

  it('keeps out of a folder whose owner lives and does not listen yet', async () => {
    await leave(String(process.pid), 0)
    expect(await codeOf(acquire())).to.equal('PEER_NETWORK_RUNNING')
    expect(existsSync(lockFile)).to.equal(true)
  })

  it('takes the place of an owner that died, however lately', async () => {
    await leave(String(deadPid()), 0)
    await acquire()
    expect(await readFile(lockFile, 'utf8')).to.equal(String(process.pid))
  })

  it('takes the place of an owner whose id another process has now', async () => {
    await leave(String(process.pid), 60_000)
    await acquire()
    expect(await isRunning(dir)).to.equal(true)
  })

  it('takes a lock for stale that says nothing sensible', async () => {
    for (const content of ['garbage', '-1e99', '\u0000\u0000']) {
      await leave(content, 60_000)
      await (await acquire()).release()
    }
  })

  it('waits with a lock that is being written', async () => {
    await leave('', 0)
    expect(await codeOf(acquire())).to.equal('PEER_NETWORK_RUNNING')
    await leave('', 60_000)
    await acquire()
  })

  it('takes the place of a socket that nobody listens on any more', async () => {
    await writeFile(join(dir, 'control.sock'), '')
    await leave(String(deadPid()), 0)
    expect(await isRunning(dir)).to.equal(false)
    await acquire()
    expect(await isRunning(dir)).to.equal(true)
  })

  it('gives the lock back when it cannot listen', async () => {
    await mkdir(join(dir, 'control.sock', 'in the way'), { recursive: true })
    const error: unknown = await acquire().catch((reason: unknown) => reason)
    expect(error).to.be.an('error')
    expect(existsSync(lockFile)).to.equal(false)
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
      await lock.acquire(() => onStop())
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
      await leave(String(process.pid), 0)
      expect(await codeOf(requestStop(dir))).to.equal('PEER_NETWORK_NOT_RUNNING')
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
      await createLock().acquire(() => {
        asked += 1
        onStop()
      })
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

import { createHash } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PeerError } from '../errors.ts'
import { explainSystemError } from '../system-error.ts'
import { ownFolder } from './folder-owner.ts'
import type { Server, Socket } from 'node:net'

/** Longest path of a Unix socket on Linux and macOS, with room for the final zero. */
const maxSocketPath = 100

/** What `network stop` says. */
const stopOrder = 'stop\n'
/** What `network start` says: this, the name of a validator, and the end of the line. */
const startOrder = 'start '
/** Longest order: names of validators are short. */
const maxOrderBytes = 64
/** What a validator that was started is answered with. */
const startedAnswer = 'started'
const isOrder = /^(?:stop|start [a-z0-9]+)\n$/

/** What another terminal may ask for. */
export interface Orders {
  stop(): void
  /** Starts a validator again that has given up; why not, if it cannot. */
  start(name: string): Promise<string | undefined>
}

/** Where the network in `dir` takes orders from other terminals. */
function socketPath(dir: string): string {
  const inside = join(resolve(dir), 'control.sock')
  if (process.platform !== 'win32' && inside.length <= maxSocketPath) return inside
  const name = `heddle-${createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16)}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}

/** A connection to it, or why there is none. */
async function dial(dir: string): Promise<Socket | Error> {
  return new Promise((resolveDial) => {
    const socket = connect(socketPath(dir))
    socket.once('connect', () => resolveDial(socket))
    socket.once('error', resolveDial)
  })
}

/** Whether a `network up` runs in the folder. */
export async function isRunning(dir: string): Promise<boolean> {
  const dialled = await dial(dir)
  if (dialled instanceof Error) return false
  dialled.destroy()
  return true
}

/** @throws {PeerError} PEER_NETWORK_NOT_RUNNING, PEER_NO_ACCESS when it is somebody else's */
async function ordered(dir: string): Promise<Socket> {
  const dialled = await dial(dir)
  if (!(dialled instanceof Error)) return dialled.on('error', () => undefined)
  const explained = explainSystemError(dialled, resolve(dir))
  if (explained?.code === 'PEER_NO_ACCESS') throw explained
  throw new PeerError('PEER_NETWORK_NOT_RUNNING', `no network runs in ${resolve(dir)}`, {
    cure: 'name its folder with --dir',
  })
}

/**
 * Asks the `network up` in the folder to start a validator again that has given up.
 * @throws {PeerError} PEER_NETWORK_NOT_RUNNING, PEER_INVALID_OPTION when it cannot be
 */
export async function requestStart(dir: string, name: string): Promise<void> {
  const socket = await ordered(dir)
  const order = `${startOrder}${name}\n`
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
  await new Promise<void>((resolveAnswer) => {
    socket.once('close', () => resolveAnswer())
    socket.end(order)
  })
  if (answer === startedAnswer) return
  const silence = isOrder.test(order) ? 'was not started' : 'is not the name of a validator'
  throw new PeerError('PEER_INVALID_OPTION', answer || `${name} ${silence}`, {
    cure: '`heddle network status` shows the validators; `heddle network up` starts them all',
  })
}

/**
 * Asks the `network up` in the folder to stop, and waits until it has.
 * @throws {PeerError} PEER_NETWORK_NOT_RUNNING
 */
export async function requestStop(dir: string): Promise<void> {
  const socket = await ordered(dir)
  await new Promise<void>((resolveStop) => {
    // The connection ends with the process: then nothing of it is left.
    socket.once('close', () => resolveStop())
    socket.resume()
    socket.end(stopOrder)
  })
}

/** Keeps a second `network up` out of a folder, and listens for `network stop`. */
export class NetworkLock {
  readonly #dir: string
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #disown: () => Promise<void> = () => Promise.resolve()

  constructor(dir: string) {
    this.#dir = dir
  }

  /**
   * @param orders - called when another terminal asks
   * @throws {PeerError} PEER_NETWORK_RUNNING
   */
  async acquire(orders: Orders): Promise<void> {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
    const disown = await ownFolder(this.#dir, () => isRunning(this.#dir))
    if (disown === undefined) {
      throw new PeerError('PEER_NETWORK_RUNNING', `a network runs in ${resolve(this.#dir)}`, {
        cure: 'stop it with `heddle network stop`, or choose another --dir',
      })
    }
    try {
      this.#server = await this.#listen(orders)
      this.#disown = disown
    } catch (error) {
      await disown()
      throw error
    }
  }

  /** Lets others in again; whoever asked to stop learns that it is done. */
  async release(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    // First, because it removes the socket: the next owner's has the same path.
    const closed = new Promise<void>((resolveClose) => server.close(() => resolveClose()))
    await this.#disown()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #listen(orders: Orders): Promise<Server> {
    const path = socketPath(this.#dir)
    rmSync(path, { force: true })
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket, orders))
    await new Promise<void>((resolveListen, reject) => {
      server.once('error', reject)
      server.listen(path, resolveListen)
    })
    return server
  }

  #serve(socket: Socket, orders: Orders): void {
    let order = ''
    this.#sockets.add(socket)
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (text: string) => {
      order += text
      if (order === stopOrder) orders.stop()
      else if (isOrder.test(order)) void start(socket, order.slice(startOrder.length, -1), orders)
      else if (!mayBecomeOrder(order)) socket.destroy()
    })
    // Whoever gave an order waits for what comes of it; a mere look ends at once.
    socket.on('end', () => !isOrder.test(order) && socket.end())
  }
}

/** Whether this is how an order begins. */
function mayBecomeOrder(text: string): boolean {
  if (stopOrder.startsWith(text) || startOrder.startsWith(text)) return true
  return text.startsWith(startOrder) && !text.includes('\n') && text.length <= maxOrderBytes
}

async function start(socket: Socket, name: string, orders: Orders): Promise<void> {
  socket.end((await orders.start(name)) ?? startedAnswer)
}

import { createHash } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PeerError } from '../errors.ts'
import { ownFolder } from './folder-owner.ts'
import type { Server, Socket } from 'node:net'

/** Longest path of a Unix socket on Linux and macOS, with room for the final zero. */
const maxSocketPath = 100

/** What `network stop` says, and the only thing that is listened to. */
const stopOrder = 'stop\n'

/** Where the network in `dir` takes orders from other terminals. */
function socketPath(dir: string): string {
  const inside = join(resolve(dir), 'control.sock')
  if (process.platform !== 'win32' && inside.length <= maxSocketPath) return inside
  const name = `heddle-${createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16)}`
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`)
}

async function dial(dir: string): Promise<Socket | undefined> {
  return new Promise((resolveDial) => {
    const socket = connect(socketPath(dir))
    socket.once('connect', () => resolveDial(socket))
    socket.once('error', () => resolveDial(undefined))
  })
}

/** Whether a `network up` runs in the folder. */
export async function isRunning(dir: string): Promise<boolean> {
  const socket = await dial(dir)
  socket?.destroy()
  return socket !== undefined
}

/**
 * Asks the `network up` in the folder to stop, and waits until it has.
 * @throws {PeerError} PEER_NETWORK_NOT_RUNNING
 */
export async function requestStop(dir: string): Promise<void> {
  const socket = await dial(dir)
  if (socket === undefined) {
    throw new PeerError('PEER_NETWORK_NOT_RUNNING', `no network runs in ${resolve(dir)}`, {
      cure: 'name its folder with --dir',
    })
  }
  socket.on('error', () => undefined)
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
   * @param onStop - called when another terminal asks to stop
   * @throws {PeerError} PEER_NETWORK_RUNNING
   */
  async acquire(onStop: () => void): Promise<void> {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 })
    const disown = await ownFolder(this.#dir, () => isRunning(this.#dir))
    if (disown === undefined) {
      throw new PeerError('PEER_NETWORK_RUNNING', `a network runs in ${resolve(this.#dir)}`, {
        cure: 'stop it with `heddle network stop`, or choose another --dir',
      })
    }
    try {
      this.#server = await this.#listen(onStop)
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

  async #listen(onStop: () => void): Promise<Server> {
    const path = socketPath(this.#dir)
    rmSync(path, { force: true })
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket, onStop))
    await new Promise<void>((resolveListen, reject) => {
      server.once('error', reject)
      server.listen(path, resolveListen)
    })
    return server
  }

  #serve(socket: Socket, onStop: () => void): void {
    let order = ''
    this.#sockets.add(socket)
    socket.setEncoding('latin1')
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (text: string) => {
      order += text
      if (order === stopOrder) onStop()
      else if (!stopOrder.startsWith(order)) socket.destroy()
    })
    // Whoever gave the order waits for the end of this process; a mere look ends at once.
    socket.on('end', () => order !== stopOrder && socket.end())
  }
}

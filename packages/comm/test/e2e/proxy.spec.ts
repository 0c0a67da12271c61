import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect } from 'chai'
import type { HttpProxy } from '../../src/index.ts'
import { createNode, dataMessage, Inbox, stopNodes } from '../support/nodes.ts'

/** A fake proxy: takes the first line for the endpoint and joins both connections. */
async function fakeProxy(): Promise<HttpProxy & { asked: string[]; stop: () => void }> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', (line) => {
      const endpoint = line.toString().trim()
      asked.push(endpoint)
      const other = connect(Number(endpoint.split(':')[1]), 'localhost', () => socket.write('+'))
      sockets.add(other)
      other.on('error', () => undefined)
      socket.pipe(other).pipe(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const open = async (socket: Socket, endpoint: string): Promise<void> => {
    socket.write(`${endpoint}\n`)
    await once(socket, 'readable')
    expect(String(socket.read(1))).to.equal('+')
  }
  const stop = (): void => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked, open, stop }
}

/** What the environment of a company machine names; nothing listens there. */
const environment = { https_proxy: 'http://127.0.0.1:9', grpc_proxy: 'http://127.0.0.1:9' }

describe('proxies', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  it('of the environment are not asked for the way to a peer', async () => {
    const before = { ...process.env }
    Object.assign(process.env, environment)
    try {
      const [one, two] = await Promise.all([createNode(), createNode()])
      const inbox = new Inbox(two.comm)
      await one.comm.push(dataMessage(1), two.peer)
      await inbox.take(1)
    } finally {
      process.env = before
    }
  })

  it('lead to a peer where they are asked for: TLS and the handshake are with the peer', async () => {
    const proxy = await fakeProxy()
    try {
      const two = await createNode()
      const one = await createNode({
        proxyFor: (endpoint) => (endpoint === two.peer.endpoint ? proxy : undefined),
      })
      const inbox = new Inbox(two.comm)
      await one.comm.push(dataMessage(7), two.peer)
      await inbox.take(1)
      expect([proxy.asked, inbox.sequences]).to.deep.equal([[two.peer.endpoint], [7]])
    } finally {
      proxy.stop()
    }
  })
})

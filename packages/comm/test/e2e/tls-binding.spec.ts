import { expect } from 'chai'
import { createNode, dataMessage, Inbox, organizations, stopNodes } from '../support/nodes.ts'
import type { Node } from '../support/nodes.ts'

describe('the TLS certificate of a handshake', function () {
  this.timeout(30_000)
  afterEach(stopNodes)

  const delivers = async (from: Node, to: Node): Promise<void> => {
    const inbox = new Inbox(to.comm)
    await from.comm.push(dataMessage(1), to.peer)
    await inbox.take(1)
  }

  const withClientCertificate = async (): Promise<Node> => {
    const { a } = await organizations()
    const client = await a.tls('client')
    return createNode({ tls: { clientCertificate: client.certificate, clientKey: client.key } })
  }

  it('of who dials is the client certificate', async () => {
    await delivers(await withClientCertificate(), await createNode())
  })

  it('of who accepts is the server certificate', async () => {
    await delivers(await createNode(), await withClientCertificate())
  })

  it('is the first of a PEM text with the chain behind it, of both sides', async () => {
    const { a } = await organizations()
    const chained = async (): Promise<Node> => {
      const { certificate, key } = await a.tls('peer')
      return createNode({ tls: { certificate: certificate + a.tlsCa.certificate, key } })
    }
    await delivers(await chained(), await createNode())
    await delivers(await createNode(), await chained())
  })

  it('must be for the IP address that was dialled, where it was one', async () => {
    const { a } = await organizations()
    const roots = [a.tlsCa.certificate, a.ca.certificate]
    const one = await createNode({ tls: { roots } })
    const serving = async (...sans: string[]): Promise<Node> => {
      const { certificate, privateKey: key } = await a.issue({
        commonName: 'server',
        purpose: 'tls',
        sans,
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + 3_600_000),
      })
      return createNode({
        listen: { host: '127.0.0.1', port: 0 },
        tls: { certificate, key, roots },
      })
    }
    await delivers(one, await serving('127.0.0.1'))
    // `localhost` is what stands in for the address in TLS: it must not be enough.
    const wrong = await serving('localhost', '127.0.0.2')
    const error = await one.comm.push(dataMessage(1), wrong.peer).catch((e: unknown) => e)
    expect(error).to.have.property('code', 'COMM_UNREACHABLE')
    expect((error as Error).message).to.match(/127\.0\.0\.1/)
  })
})

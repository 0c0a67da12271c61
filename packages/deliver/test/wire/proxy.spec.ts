import { type Server, type Socket, connect, createServer } from 'node:net'
import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import type { LogFields, Logger } from '@heddle/interface'
import { createBroadcastClient, proxyFor, pullBlocks } from '../../src/index.ts'
import type { Endpoint, PullOptions } from '../../src/index.ts'
import { maxProxyAnswerBytes } from '../../src/proxy.ts'
import { channel, channelId, honest, impatient, started, stopAll, until } from '../network.ts'

/** An HTTP proxy on loopback that answers CONNECT as the test says. */
interface TestProxy {
  readonly environment: Record<string, string>
  /** The first line of each request, and its headers. */
  readonly requests: string[]
  readonly sockets: Set<Socket>
}

async function proxy(answer: (socket: Socket) => void): Promise<TestProxy> {
  const requests: string[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    socket.once('data', (bytes) => {
      requests.push(bytes.toString())
      answer(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  started.push({
    stop: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  const { port } = server.address() as { port: number }
  const environment = { https_proxy: `http://me:pass%20word@127.0.0.1:${port}` }
  return { environment, requests, sockets }
}

/** Answers CONNECT and joins the connection to the one of `address`. */
const tunnel =
  (address: string) =>
  (socket: Socket): void => {
    const [, port] = address.split(':')
    const other = connect(Number(port), 'localhost', () => {
      socket.write('HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n')
      socket.pipe(other).pipe(socket)
    })
    other.on('error', () => socket.destroy())
  }

/** The same service under a name that is not loopback, as a proxy would see it. */
const remote = ({ address, roots }: Endpoint): Endpoint => ({
  address: address.replace('localhost', 'orderer.example.com'),
  roots,
  serverName: 'localhost',
})

class Lines implements Logger {
  readonly lines: [string, LogFields | undefined][] = []
  debug(): void {
    return
  }
  info(message: string, fields?: LogFields): void {
    this.lines.push([message, fields])
  }
  warn(): void {
    return
  }
  error(): void {
    return
  }
  child(): Logger {
    return this
  }
}

async function pulled(
  environment: Record<string, string>,
  endpoint: Endpoint,
  { logger, ...options }: Partial<PullOptions> & { logger?: Logger } = {},
): Promise<bigint[]> {
  const { client, clientTls, genesis } = await channel()
  const numbers: bigint[] = []
  const deps = {
    signer: client,
    clock: systemClock,
    proxyFor: (address: string) => proxyFor(address, environment),
    ...(logger && { logger }),
  }
  for await (const { message } of pullBlocks(deps, {
    channelId,
    configBlock: genesis,
    endpoints: [endpoint],
    tls: clientTls,
    maxFailures: 2,
    ...impatient,
    ...options,
  })) {
    numbers.push(message.header!.number)
  }
  return numbers
}

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error as Error,
  )
}

describe('A proxy that the environment names', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  it('is used by CONNECT for an endpoint that is not loopback, and said once', async () => {
    const { endpoint } = await honest()
    const { environment, requests } = await proxy(tunnel(endpoint.address))
    const logger = new Lines()
    const far = remote(endpoint)
    expect(await pulled(environment, far, { logger })).to.deep.equal([0n])
    expect(requests).to.deep.equal([
      [
        `CONNECT ${far.address} HTTP/1.1`,
        `Host: ${far.address}`,
        `Proxy-Authorization: Basic ${Buffer.from('me:pass word').toString('base64')}`,
        '\r\n',
      ].join('\r\n'),
    ])
    const through = environment['https_proxy']!.replace(/.*@/, '')
    expect(logger.lines).to.deep.equal([
      [
        'endpoint is reached through a proxy',
        { endpoint: far.address, through, variable: 'https_proxy' },
      ],
    ])
  })

  it('does not see loopback', async () => {
    const { endpoint } = await honest()
    const { environment, requests } = await proxy((socket) => socket.end())
    expect(await pulled(environment, endpoint)).to.deep.equal([0n])
    const { endpoint: byAddress } = await honest({
      server: { listen: { host: '127.0.0.1', port: 0 } },
    })
    expect(await pulled(environment, byAddress)).to.deep.equal([0n])
    expect(requests).to.deep.equal([])
  })

  it('is not asked by grpc-js either, which would send loopback to it', async () => {
    const { endpoint } = await honest()
    const { environment, requests } = await proxy((socket) => socket.end())
    const before = { ...process.env }
    Object.assign(process.env, environment, { no_grpc_proxy: 'nothing.example' })
    try {
      expect(await pulled({}, endpoint)).to.deep.equal([0n])
      expect(requests).to.deep.equal([])
    } finally {
      process.env = before
    }
  })

  const refusals: [string, (socket: Socket) => void, RegExp][] = [
    ['refuses', (socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'), /answered 403 Forbidden/],
    ['hangs up', (socket) => socket.end(), /hung up/],
    ['speaks something else', (socket) => socket.end('SSH-2.0\r\n\r\n'), /does not speak HTTP/],
    [
      'never comes to an end',
      (socket) => socket.write('x'.repeat(maxProxyAnswerBytes + 1)),
      /does not speak HTTP/,
    ],
  ]
  for (const [what, answer, reason] of refusals) {
    it(`is named with the reason when it ${what}`, async () => {
      const { environment } = await proxy(answer)
      const endpoint = { address: 'orderer.example.com:7050', roots: [] }
      const error = await failure(pulled(environment, endpoint))
      expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
      expect(error.message).to.match(
        /^cannot connect to orderer\.example\.com:7050 through the proxy 127\.0\.0\.1:\d+ \(https_proxy\): the proxy /,
      )
      expect(error.message).to.match(reason)
    })
  }

  it('is named when nothing listens there', async () => {
    const endpoint = { address: 'orderer.example.com:7050', roots: [] }
    const error = await failure(pulled({ grpc_proxy: '127.0.0.1:1' }, endpoint))
    expect(error.message).to.equal(
      'cannot connect to orderer.example.com:7050 through the proxy 127.0.0.1:1 (grpc_proxy): connect ECONNREFUSED 127.0.0.1:1',
    )
  })

  it('keeps no socket when it says nothing', async () => {
    const { environment, requests, sockets } = await proxy(() => undefined)
    const endpoint = { address: 'orderer.example.com:7050', roots: [] }
    const error = await failure(pulled(environment, endpoint, { connectTimeoutMs: 100 }))
    expect(error.message).to.match(/not within 100 ms$/)
    expect(requests).to.have.length(2)
    await until(() => sockets.size === 0)
  })

  it('is refused when a client is made, if it is none', () => {
    const endpoints = [{ address: 'orderer.example.com:7050', roots: [] }]
    const choice = (address: string) => proxyFor(address, { http_proxy: 'socks5://x:1' })
    expect(() => createBroadcastClient({ clock: systemClock, proxyFor: choice }, { endpoints }))
      .to.throw()
      .with.property('code', 'DELIVER_INVALID_OPTIONS')
  })
})

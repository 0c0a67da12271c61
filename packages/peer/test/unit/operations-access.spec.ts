import { expect } from 'chai'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { VirtualClock } from '@heddle/events/testing'
import { createLogging } from '../../src/logging/logger.ts'
import { denialOf, isLoopback } from '../../src/operations/access.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { OperationsServer } from '../../src/operations/server.ts'
import { readOperationsTls } from '../../src/operations/tls.ts'
import { parseConfig } from '../../src/config/load.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { testMembers } from '../support/channel.ts'
import type { IncomingMessage, RequestOptions } from 'node:http'
import type { RequestOptions as TlsRequestOptions } from 'node:https'
import type { AccessRules, Claims } from '../../src/operations/access.ts'
import type { OperationsOptions } from '../../src/operations/server.ts'
import type { OperationsTls } from '../../src/operations/tls.ts'

const rules: AccessRules = {
  listen: { host: 'peer0.example.com', port: 9443 },
  tls: false,
  isCertified: () => false,
}

function claims(change: Partial<Claims> = {}): Claims {
  return {
    ...{ route: 'GET /healthz', host: undefined, origin: undefined, hasClientCertificate: false },
    ...{ localAddress: '::ffff:192.0.2.7', remoteAddress: '192.0.2.8' },
    ...change,
  }
}

describe('whom the operations server answers', () => {
  it('takes 127.0.0.0/8, ::1 and localhost for this machine, and no name that looks like them', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'LOCALHOST', 'localhost.'])
      expect(isLoopback(host), host).to.equal(true)
    expect(isLoopback('::ffff:127.0.0.1')).to.equal(true)
    for (const host of [
      '0.0.0.0',
      '::',
      '10.0.0.1',
      '127.0.0.1.evil.example',
      'localhost.evil',
      '',
    ])
      expect(isLoopback(host), host).to.equal(false)
  })

  const served = [
    'localhost',
    'LocalHost:9443',
    '127.0.0.1:1',
    '[::1]:9443',
    'peer0.example.com:80',
  ]
  for (const name of [...served, '192.0.2.7:9443']) {
    it(`serves ${name}, as Host and as Origin`, () => {
      expect(denialOf(claims({ host: name, origin: `http://${name}` }), rules)).to.equal(undefined)
      expect(denialOf(claims({ origin: `https://${name}` }), rules)).to.equal(undefined)
    })
  }

  const strange = ['evil.example', 'evil.example:9443', '192.0.2.9', 'localhost@evil.example']
  for (const name of [...strange, 'localhost:1:2', 'a b', '[::2]', 'localhost/evil']) {
    it(`denies ${name}, as Host and as Origin`, () => {
      const asHost = denialOf(claims({ host: name }), rules)
      expect(asHost).to.include({ status: 421, code: 'HOST_NOT_SERVED' })
      const asOrigin = denialOf(claims({ host: 'localhost', origin: `http://${name}` }), rules)
      expect(asOrigin).to.include({ status: 403, code: 'ORIGIN_NOT_ALLOWED' })
    })
  }

  it('denies pages that have no origin, and origins that are none', () => {
    for (const origin of ['null', '', 'localhost', 'file://localhost'])
      expect(denialOf(claims({ origin }), rules), origin).to.have.property('status', 403)
  })

  it('answers who names no host: that is no browser', () => {
    expect(denialOf(claims(), rules)).to.equal(undefined)
    expect(denialOf(claims({ host: '' }), rules)).to.equal(undefined)
  })

  it('serves the names of its certificate', () => {
    const isCertified = (name: string): boolean => name === 'metrics.example.com'
    expect(
      denialOf(claims({ host: 'metrics.example.com:9443' }), { ...rules, isCertified }),
    ).to.equal(undefined)
  })

  it('changes levels without TLS for this machine only', () => {
    const put = { route: 'PUT /logspec', remoteAddress: '192.0.2.8' }
    expect(denialOf(claims(put), rules)).to.include({ status: 403, code: 'LOOPBACK_ONLY' })
    expect(denialOf(claims({ ...put, remoteAddress: '::ffff:127.0.0.1' }), rules)).to.equal(
      undefined,
    )
    expect(denialOf(claims({ route: 'GET /logspec' }), rules)).to.equal(undefined)
  })

  it('wants a client certificate for /metrics and /logspec whenever TLS is on, as Fabric does', () => {
    const tls = { ...rules, tls: true }
    for (const route of ['GET /metrics', 'GET /logspec', 'PUT /logspec']) {
      const denial = denialOf(claims({ route, remoteAddress: '127.0.0.1' }), tls)
      expect(denial, route).to.include({ status: 401, code: 'CLIENT_CERTIFICATE_NEEDED' })
      expect(denialOf(claims({ route, hasClientCertificate: true }), tls), route).to.equal(
        undefined,
      )
    }
    for (const route of ['GET /healthz', 'GET /version'])
      expect(denialOf(claims({ route }), tls), route).to.equal(undefined)
  })
})

interface Answer {
  readonly status: number | undefined
  readonly body: string
}

async function answer(request: ReturnType<typeof plainRequest>, body?: string): Promise<Answer> {
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode, body: await text(response) }
}

function plain(port: number, options: RequestOptions, body?: string): Promise<Answer> {
  return answer(plainRequest({ host: '127.0.0.1', port, agent: false, ...options }), body)
}

function secure(port: number, options: TlsRequestOptions, body?: string): Promise<Answer> {
  return answer(tlsRequest({ host: '127.0.0.1', port, agent: false, ...options }), body)
}

/** An operations server that runs during a suite. */
function running(options: () => Promise<Omit<OperationsOptions, 'limits'>>) {
  const logger = new RecordingLogger()
  const logging = createLogging('info', {}, { write: () => undefined })
  const deps = {
    ...{ clock: new VirtualClock(), logging, logger, metrics: createMetrics() },
    ...{ version: { Version: '', CommitSHA: '' }, conditions: () => [] },
  }
  const made = { server: undefined as unknown as OperationsServer, logger, logging }
  before(async () => {
    made.server = new OperationsServer(deps, await options())
    await made.server.start()
  })
  after(() => made.server.stop())
  beforeEach(() => logger.lines.splice(0))
  return made
}

describe('an operations server without TLS', () => {
  const one = running(() => Promise.resolve({ listen: { host: '0.0.0.0', port: 0 } }))

  it('tells a page of another name what is wrong, and the log whom', async () => {
    const reply = await plain(one.server.port, {
      path: '/metrics',
      headers: { host: 'evil.example' },
    })
    expect(reply.status).to.equal(421)
    expect(JSON.parse(reply.body)).to.deep.equal({
      code: 'HOST_NOT_SERVED',
      error:
        'Host "evil.example" is not a name of this server: ask by address, or listen on that name, or have it in the TLS certificate',
    })
    const headers = { host: 'localhost', origin: 'http://evil.example' }
    const put = await plain(
      one.server.port,
      { path: '/logspec', method: 'PUT', headers },
      '{"spec":"debug"}',
    )
    expect(put.status).to.equal(403)
    expect(one.logging.spec, 'unchanged').to.equal('info')
    expect(one.logger.lines.map(({ fields }) => fields['reason'])).to.deep.equal([
      'Host "evil.example" is not a name of this server: ask by address, or listen on that name, or have it in the TLS certificate',
      'requests from pages of "http://evil.example" are refused',
    ])
  })

  it('changes levels for this machine, and not for another address', async function () {
    const change = { path: '/logspec', method: 'PUT' }
    const here = await plain(one.server.port, change, '{"spec":"warn"}')
    expect(here.status).to.equal(204)
    const outside = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ family, internal }) => family === 'IPv4' && !internal)
    // On a machine without a network there is nobody outside: `denialOf` is tested above.
    if (outside === undefined) return
    const there = await plain(
      one.server.port,
      { ...change, host: outside.address },
      '{"spec":"debug"}',
    )
    expect(there.status).to.equal(403)
    expect(JSON.parse(there.body)).to.include({ code: 'LOOPBACK_ONLY' })
    expect(one.logging.spec).to.equal('warn')
  })
})

async function material(clientAuthRequired: boolean): Promise<OperationsTls> {
  const { ordering, clients } = await testMembers()
  const { certificate, key } = await ordering.tls('operations')
  return { certificate, key, clientRoots: [clients.tlsCa.certificate], clientAuthRequired }
}

async function clientTls(trusted: boolean): Promise<TlsRequestOptions> {
  const { ordering, clients } = await testMembers()
  const { certificate, key } = await (trusted ? clients : ordering).tls('prometheus')
  return { ca: ordering.tlsCa.certificate, cert: certificate, key }
}

describe('an operations server with TLS', () => {
  const listen = { host: '127.0.0.1', port: 0 }
  const one = running(async () => ({ listen, tls: await material(false) }))

  it('shows /healthz to everybody, /metrics and /logspec to who has a client certificate', async () => {
    const { cert, key, ca } = await clientTls(true)
    const { port } = one.server
    expect((await secure(port, { ca, path: '/healthz' })).status).to.equal(200)
    for (const path of ['/metrics', '/logspec']) {
      const without = await secure(port, { ca, path })
      expect(without.status, path).to.equal(401)
      expect(JSON.parse(without.body), path).to.include({ code: 'CLIENT_CERTIFICATE_NEEDED' })
      expect((await secure(port, { ca, cert, key, path })).status, path).to.equal(200)
    }
    const change = { ca, cert, key, path: '/logspec', method: 'PUT' }
    expect((await secure(port, change, '{"spec":"debug"}')).status).to.equal(204)
    expect(one.logging.spec).to.equal('debug')
  })

  it('takes no resumed session for a client certificate', async () => {
    const { ca } = await clientTls(true)
    const ask = async (session?: Buffer) => {
      const resumed = session === undefined ? {} : { session }
      const request = tlsRequest({
        ...{ host: '127.0.0.1', port: one.server.port, agent: false, ca, path: '/metrics' },
        ...resumed,
      })
      const given: { session?: Buffer } = {}
      request.on('socket', (socket) =>
        socket.on('session', (ticket: Buffer) => (given.session = ticket)),
      )
      return { ...(await answer(request)), ...given }
    }
    const first = await ask()
    expect(first.session, 'a session to resume').to.be.instanceOf(Buffer)
    expect((await ask(first.session)).status).to.equal(401)
  })

  it('serves the name of its certificate', async () => {
    const { ca } = await clientTls(true)
    // A browser would not send this: the name is not that of the certificate.
    const careless = { ca, checkServerIdentity: () => undefined }
    const at = (host: string) =>
      secure(one.server.port, { ...careless, path: '/healthz', headers: { host } })
    expect((await at('evil.example')).status).to.equal(421)
    expect((await at('operations:9443')).status).to.equal(200)
  })

  it('closes the connection of who has a certificate of others, and says whom and why', async () => {
    const failure = await secure(one.server.port, {
      ...(await clientTls(false)),
      path: '/healthz',
    }).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).to.be.an('error')
    expect(one.logger.lines).to.have.length(1)
    expect(one.logger.lines[0]?.fields['reason']).to.match(/^the client certificate is not valid: /)
    expect(one.logger.lines[0]?.fields['address']).to.match(/^127\.0\.0\.1:\d+$/)
  })

  it('answers no request of who was refused, and says no more of it', async () => {
    const { ca, cert, key } = await clientTls(false)
    const socket = connect({ host: '127.0.0.1', port: one.server.port, ca, cert, key })
    let received = ''
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
    socket.on('error', () => undefined)
    const request = 'GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n'
    socket.write(`${request}${request}rubbish\r\n\r\n`)
    await new Promise((resolve) => socket.once('close', resolve))
    expect(received).to.equal('')
    expect(one.logger.lines).to.have.length(1)
    expect(one.logger.lines[0]?.fields['reason']).to.match(/^the client certificate is not valid: /)
  })

  it('says who speaks without TLS', async () => {
    const failure = await plain(one.server.port, { path: '/healthz' }).catch(
      (error: unknown) => error,
    )
    expect(failure).to.be.an('error')
    expect(one.logger.lines.map(({ fields }) => fields['reason'])).to.deep.equal([
      'what came is HTTP without TLS',
    ])
  })
})

describe('an operations server with an address in its TLS certificate', () => {
  const one = running(async () => {
    const { ordering } = await testMembers()
    const tls = { ...(await material(false)), ...(await ordering.tls('192.0.2.9')) }
    return { listen: { host: '127.0.0.1', port: 0 }, tls }
  })

  it('serves that address as Host, and no other', async () => {
    const { ca } = await clientTls(true)
    const at = (host: string) =>
      secure(one.server.port, { ca, servername: 'localhost', path: '/healthz', headers: { host } })
    expect((await at('192.0.2.9:9443')).status).to.equal(200)
    expect((await at('192.0.2.10')).status).to.equal(421)
    expect((await at('[2001:db8::1]')).status).to.equal(421)
  })
})

describe('an operations server that trusts an intermediate authority', () => {
  const intermediate = testMembers().then(({ clients }) => clients.tlsIntermediate())
  const one = running(async () => {
    const { certificate } = await intermediate
    const tls = { ...(await material(false)), clientRoots: [certificate] }
    return { listen: { host: '127.0.0.1', port: 0 }, tls }
  })

  it('takes its clients without the authority that issued it', async () => {
    const { ordering } = await testMembers()
    const mine = await (await intermediate).tls('prometheus')
    const shown = { ca: ordering.tlsCa.certificate, cert: mine.certificate, key: mine.key }
    const { status } = await secure(one.server.port, { ...shown, path: '/metrics' })
    expect(status).to.equal(200)
  })
})

describe('an operations server that lets nobody in without a client certificate', () => {
  const listen = { host: '127.0.0.1', port: 0 }
  const one = running(async () => ({ listen, tls: await material(true) }))

  it('shows even /healthz to those only who have one', async () => {
    const { cert, key, ca } = await clientTls(true)
    const { port } = one.server
    expect((await secure(port, { ca, cert, key, path: '/healthz' })).status).to.equal(200)
    const failure = await secure(port, { ca, path: '/healthz' }).catch((error: unknown) => error)
    expect(failure).to.be.an('error')
    expect(one.logger.lines.map(({ fields }) => fields['reason'])).to.deep.equal([
      'it has no client certificate',
    ])
  })
})

describe('the settings of the operations server', () => {
  let dir = ''
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-operations-'))
    const { ordering, clients } = await testMembers()
    const { certificate, key } = await ordering.tls('operations')
    const other = await clients.tls('other')
    const files = { 'o.crt': certificate, 'o.key': key, 'other.key': other.key, none: 'x' }
    await Promise.all(Object.entries(files).map(([name, pem]) => writeFile(join(dir, name), pem)))
    await writeFile(join(dir, 'clients.crt'), clients.tlsCa.certificate)
  })
  after(() => rm(dir, { recursive: true }))

  async function read(operations: string): Promise<unknown> {
    const source = `
peer: {id: v0, localMspId: M, mspConfigPath: m, fileSystemPath: d, tls: {cert: {file: c}, key: {file: k}}}
general: {genesisFile: g}
validators: []
operations: ${operations}`
    return readOperationsTls(parseConfig(source, join(dir, 'peer.yaml'), {})).catch(
      (error: unknown) => error,
    )
  }

  const tls = (change = ''): string => {
    const given = `enabled: true, cert: {file: o.crt}, key: {file: o.key}`
    return `{listenAddress: '0.0.0.0:9443', tls: {${change === '' ? given : change}}}`
  }

  it('refuse to listen beyond loopback without TLS, unless asked to by name', async () => {
    expect(await read(`{listenAddress: '127.0.0.1:9443'}`)).to.equal(undefined)
    expect(await read(`{listenAddress: '[::1]:9443'}`)).to.equal(undefined)
    for (const host of ['0.0.0.0', '[::]', '192.0.2.7', 'peer0.example.com']) {
      const open = `listenAddress: '${host}:9443'`
      const refused = await read(`{${open}}`)
      expect(refused, host).to.have.property('code', 'PEER_INVALID_CONFIG')
      expect(refused, host).to.have.property('cure').that.includes('operations.allowUnencrypted')
      expect(await read(`{${open}, allowUnencrypted: true}`), host).to.equal(undefined)
    }
  })

  it('name certificate, key and authorities, relative to the folder of the file', async () => {
    const more = ', clientAuthRequired: true, clientRootCAs: {files: [clients.crt]}'
    const given = `enabled: true, cert: {file: o.crt}, key: {file: o.key}${more}`
    expect(await read(tls(given))).to.include({ clientAuthRequired: true })
    expect(await read(tls())).to.deep.include({ clientAuthRequired: false, clientRoots: [] })
  })

  const wrong: [string, string, string][] = [
    ['no certificate', 'enabled: true, key: {file: o.key}', 'PEER_INVALID_CONFIG'],
    ['no key', 'enabled: true, cert: {file: o.crt}', 'PEER_INVALID_CONFIG'],
    [
      'no such file',
      'enabled: true, cert: {file: nowhere}, key: {file: o.key}',
      'PEER_FILE_MISSING',
    ],
    [
      'a certificate that is none',
      'enabled: true, cert: {file: none}, key: {file: o.key}',
      'PEER_WRONG_CERTIFICATE',
    ],
    [
      'a key that is none',
      'enabled: true, cert: {file: o.crt}, key: {file: none}',
      'PEER_WRONG_CERTIFICATE',
    ],
    [
      'the key of another',
      'enabled: true, cert: {file: o.crt}, key: {file: other.key}',
      'PEER_WRONG_CERTIFICATE',
    ],
    [
      'nobody who may come in',
      'enabled: true, cert: {file: o.crt}, key: {file: o.key}, clientAuthRequired: true',
      'PEER_INVALID_CONFIG',
    ],
    [
      'an authority that is none',
      'enabled: true, cert: {file: o.crt}, key: {file: o.key}, clientRootCAs: {files: [none]}',
      'PEER_WRONG_CERTIFICATE',
    ],
  ]
  for (const [what, given, code] of wrong) {
    it(`are refused with ${what}`, async () => {
      expect(await read(tls(given))).to.have.property('code', code)
    })
  }
})

import { Client, Metadata, credentials, status } from '@grpc/grpc-js'
import type { ServerWritableStream, ServiceError } from '@grpc/grpc-js'
import { VirtualClock } from '@heddle/events/testing'
import type { LogFields, Logger } from '@heddle/interface'
import type { SigningIdentity } from '@heddle/msp'
import type { TestSigner, TlsMaterial } from '@heddle/msp/testing'
import { common } from '@heddle/proto'
import { expect } from 'chai'
import {
  type Grant,
  OrdererError,
  type SignedData,
  authorizeByPolicy,
  readerMetadataKey,
} from '../../src/index.ts'
import { readerMs } from '../../src/reader-calls.ts'
import {
  type EnvelopeInit,
  type Fixture,
  certificateHash,
  channelId,
  envelope,
  organization,
  serve,
  testRules,
} from '../harness.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const method = {
  ...{ requestStream: false, requestSerialize: asIs, requestDeserialize: asIs },
  ...{ responseSerialize: asIs, responseDeserialize: asIs },
}
const timeWindowMs = 60_000
const type = common.HeaderType.DELIVER_SEEK_INFO

type Signer = SigningIdentity | TestSigner

describe('a service for readers of a channel', function () {
  this.timeout(30_000) // a loaded machine takes its time

  let fixture: Fixture
  let clock: VirtualClock
  let handled: string[]
  let judged: number
  let authorize: (action: 'read' | 'write', signed: SignedData) => Promise<Grant>
  let lines: LogFields[]
  const clients: Client[] = []

  const service = {
    definition: {
      one: { ...method, path: '/t.T/One', responseStream: false },
      many: { ...method, path: '/t.T/Many', responseStream: true },
    },
    handlers: {
      one(call: { request: Buffer }, reply: (error: null, answer: Buffer) => void) {
        handled.push('one')
        reply(null, call.request)
      },
      many(call: ServerWritableStream<Buffer, Buffer>) {
        handled.push('many')
        call.write(call.request)
        call.end()
      },
    },
    readersOf: channelId,
  }

  beforeEach(async () => {
    const silent = (): undefined => undefined
    const logger: Logger = {
      ...{ debug: silent, info: silent, error: silent, child: () => logger },
      warn: (event, fields) => void lines.push({ event, ...fields }),
    }
    handled = []
    lines = []
    judged = 0
    // Readers are whom the organisation lets write: its peers are not among them.
    const all = await testRules()
    const rules = { ...all, policy: () => all.policy('/Channel/Application/Writers') }
    authorize = (action, signed) => authorizeByPolicy(rules, action, signed)
    clock = new VirtualClock({ wallTimeMs: Math.floor(Date.now() / 1000) * 1000 })
    fixture = await serve({
      timeWindowMs,
      deps: { services: [service], clock, logger },
      chain: {
        authorize: (action, signed) => {
          judged++
          return authorize(action, signed)
        },
      },
    })
  })
  afterEach(async () => {
    for (const each of clients.splice(0)) each.close()
    await fixture.close()
  })

  function client(tls: TlsMaterial = fixture.clientTls): Client {
    const pem = [tls.roots.join(''), tls.key, tls.certificate].map((text) => Buffer.from(text))
    const ssl = credentials.createSsl(pem[0], pem[1], pem[2])
    const opened = new Client(fixture.server.address!, ssl, { 'grpc.use_local_subchannel_pool': 1 })
    clients.push(opened)
    return opened
  }

  /** An envelope of the client for its TLS certificate, but for what `init` says. */
  function shown(init: EnvelopeInit = {}, signer: Signer = fixture.signer): Buffer {
    const timestamp = new Date(clock.wallTime())
    const tlsCertHash = certificateHash(fixture.clientTls.certificate)
    return envelope(signer, { type, timestamp, tlsCertHash, data: Buffer.alloc(0), ...init })
  }

  function metadataOf(bytes: Buffer | undefined): Metadata {
    const metadata = new Metadata()
    if (bytes !== undefined) metadata.set(readerMetadataKey, bytes)
    return metadata
  }

  /** The name of the status and its details; OK when it was answered. */
  function call(from: Client, bytes: Buffer | undefined): Promise<[string, string]> {
    return new Promise((resolve) => {
      const request = Buffer.from('x')
      from.makeUnaryRequest('/t.T/One', asIs, asIs, request, metadataOf(bytes), (error) =>
        resolve(error === null ? ['OK', ''] : [status[error.code], error.details]),
      )
    })
  }

  async function expectRefused(
    bytes: Buffer | undefined,
    expected: { readonly code: string; readonly details: RegExp },
    from = client(),
  ): Promise<void> {
    const [code, details] = await call(from, bytes)
    expect(details).to.match(expected.details)
    expect(code).to.equal(expected.code)
    expect(details, 'what to do').to.match(
      code === 'PERMISSION_DENIED'
        ? /: sign as a member whom \/Channel\/Readers admits$/
        : /: send in heddle-reader-bin an envelope of type DELIVER_SEEK_INFO, signed now /,
    )
    expect(handled).to.deep.equal([])
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({ event: 'call refused', method: '/t.T/One', port: 'orderer' })
  }

  const noCaller = (details: RegExp) => ({ code: 'UNAUTHENTICATED', details })
  const noReader = (details: RegExp) => ({ code: 'PERMISSION_DENIED', details })

  it('answers a reader, whose signature it checks once', async () => {
    const from = client()
    const bytes = shown()
    const answers = await Promise.all([1, 2, 3].map(() => call(from, bytes)))
    answers.push(await call(client(), bytes))
    expect(answers).to.deep.equal(Array(4).fill(['OK', '']))
    const stream = from.makeServerStreamRequest(
      '/t.T/Many',
      asIs,
      asIs,
      Buffer.from('y'),
      metadataOf(bytes),
    )
    for await (const answer of stream) expect(String(answer)).to.equal('y')
    expect(handled).to.deep.equal(['one', 'one', 'one', 'one', 'many'])
    expect(judged).to.equal(1)
    expect(lines).to.deep.equal([])
  })

  it('refuses a call without an envelope, and says what to send', async () => {
    await expectRefused(undefined, noCaller(/^no envelope in heddle-reader-bin/))
  })

  it('refuses a stream without an envelope', async () => {
    const stream = client().makeServerStreamRequest('/t.T/Many', asIs, asIs, Buffer.from('y'))
    const code = await new Promise((resolve) => {
      stream.on('error', (error: ServiceError) => resolve(error.code))
      stream.resume()
    })
    expect(code).to.equal(status.UNAUTHENTICATED)
    expect(handled).to.deep.equal([])
  })

  it('refuses what is no envelope', async () => {
    await expectRefused(Buffer.from('0a7f00', 'hex'), noCaller(/^malformed envelope/))
  })

  it('refuses an envelope of a stranger', async () => {
    const stranger = await (await organization()).variant('stranger', 'other-ca')
    const details = /the signature is not one of a known identity/
    await expectRefused(shown({}, stranger), noReader(details))
  })

  it('refuses a member that the policy for readers does not admit', async () => {
    const peer = await (await organization()).identity('peer', 'peer')
    await expectRefused(shown({}, peer), noReader(/policy \/Channel\/Readers not satisfied/))
  })

  it('refuses a signature that is of something else', async () => {
    const { serialized } = fixture.signer
    const sign = (): Uint8Array => fixture.signer.sign(Buffer.from('something else'))
    const forged = shown({}, { serialized, sign } as unknown as TestSigner)
    await expectRefused(forged, noReader(/the signature is not one of a known identity/))
  })

  it('refuses an envelope whose time is further off than the time window', async () => {
    const off = (ms: number): Date => new Date(clock.wallTime() + ms)
    for (const ms of [-timeWindowMs, timeWindowMs])
      expect(await call(client(), shown({ timestamp: off(ms) }))).to.deep.equal(['OK', ''])
    handled = []
    for (const ms of [-timeWindowMs - 1, timeWindowMs + 1]) {
      await expectRefused(shown({ timestamp: off(ms) }), noCaller(/timestamp is 60001 ms off/))
      lines = []
    }
    await expectRefused(shown({ timestamp: null }), noCaller(/must contain timestamp/))
  })

  it('refuses an envelope that is for another TLS certificate, or for none', async () => {
    const another = await (await organization()).tls('another')
    const tlsCertHash = certificateHash(another.certificate)
    await expectRefused(shown({ tlsCertHash }), noCaller(/^claimed TLS cert hash is /))
    lines = []
    await expectRefused(shown({ tlsCertHash: Buffer.alloc(0) }), noCaller(/include its TLS cert/))
  })

  it('refuses an envelope that another client was let in with', async () => {
    const bytes = shown()
    expect(await call(client(), bytes)).to.deep.equal(['OK', ''])
    handled = []
    const another = client(await (await organization()).tls('another'))
    await expectRefused(bytes, noCaller(/^claimed TLS cert hash is /), another)
  })

  it('refuses an envelope for another channel', async () => {
    await expectRefused(shown({ channelId: 'other' }), noCaller(/for another channel/))
  })

  it('refuses an envelope of a type that could be ordered', async () => {
    const bytes = shown({ type: common.HeaderType.MESSAGE })
    await expectRefused(bytes, noCaller(/^the envelope is not of type DELIVER_SEEK_INFO/))
  })

  it('checks a signature again after readerMs, not before', async () => {
    const from = client()
    const bytes = shown()
    await call(from, bytes)
    await clock.advance(readerMs - 1)
    expect(await call(from, bytes)).to.deep.equal(['OK', ''])
    expect(judged).to.equal(1)
    await clock.advance(1)
    expect(await call(from, bytes)).to.deep.equal(['OK', ''])
    expect(judged).to.equal(2)
    await clock.advance(readerMs)
    expect((await call(from, bytes))[0], 'it is too old by now').to.equal('UNAUTHENTICATED')
  })

  it('does not take what else a reader sends for what it has checked', async () => {
    const from = client()
    await call(from, shown())
    expect((await call(from, shown({ channelId: 'other' })))[0]).to.equal('UNAUTHENTICATED')
    expect((await call(from, undefined))[0]).to.equal('UNAUTHENTICATED')
  })

  it('judges a reader anew when the configuration of the channel has changed', async () => {
    const from = client()
    const bytes = shown()
    await call(from, bytes)
    authorize = () =>
      authorizeByPolicy({ msps: [], policy: () => undefined } as never, 'read', {} as never)
    expect((await call(from, bytes))[0]).to.equal('OK')
    const rules = { ...(await testRules()), policy: () => undefined }
    authorize = (action, signed) => authorizeByPolicy(rules, action, signed)
    expect((await call(from, bytes))[0]).to.equal('OK')
    fixture.chain.configSequence = 1n
    expect((await call(from, bytes))[0]).to.equal('PERMISSION_DENIED')
  })

  it('refuses a reader from the end of its certificate on', async () => {
    const notAfter = new Date(clock.wallTime() + 30_000)
    const brief = await (await organization()).identity('brief', 'client', { notAfter })
    const from = client()
    const bytes = shown({}, brief)
    await clock.advance(29_000)
    expect(await call(from, bytes)).to.deep.equal(['OK', ''])
    await clock.advance(1_000)
    await expectRefusedAfter(from, bytes)
  })

  async function expectRefusedAfter(from: Client, bytes: Buffer): Promise<void> {
    handled = []
    await expectRefused(bytes, noReader(/^identity expired at /), from)
    expect(judged).to.equal(1)
  }

  it('does not remember a refusal: the same envelope is judged anew', async () => {
    const good = authorize
    authorize = () => Promise.reject(new OrdererError('ORDERER_UNAVAILABLE', 'not now'))
    const from = client()
    const bytes = shown()
    expect(await call(from, bytes)).to.deep.equal(['UNAVAILABLE', 'not now'])
    authorize = good
    expect(await call(from, bytes)).to.deep.equal(['OK', ''])
  })

  it('answers again when a reader that was refused sends what is good', async () => {
    const from = client()
    await call(from, undefined)
    expect(await call(from, shown())).to.deep.equal(['OK', ''])
  })
})

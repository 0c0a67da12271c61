import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { CodedError } from '@heddle/interface'
import type { Logger } from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import { OrdererError } from '../../src/index.ts'
import { type Fixture, channelId, envelope, organization, serve } from '../harness.ts'

describe('Broadcast', function () {
  this.timeout(30_000) // a loaded machine takes its time

  let fixture: Fixture | undefined
  afterEach(async () => {
    await fixture?.close()
    fixture = undefined
  })

  it('answers SUCCESS once the envelope is in a block, with the bytes as they were sent', async () => {
    fixture = await serve()
    const stream = fixture.connect('broadcast')
    const bytes = envelope(fixture.signer)
    stream.send(bytes)
    expect(await stream.answer()).to.deep.equal({ status: 'SUCCESS', info: '' })
    const block = decode(common.BlockSchema, (await fixture.chain.block(0n))!)
    expect(Buffer.from(block.data!.data[0]!).equals(bytes)).to.equal(true)
  })

  it('tells the chain whose certificate the client has that gives an envelope, and which authority that', async () => {
    fixture = await serve()
    const { chain, clientTls } = fixture
    const submit = chain.submit.bind(chain)
    const told: unknown[] = []
    chain.submit = (given, options) => {
      told.push(options?.givenBy, options?.organization)
      return submit(given, options)
    }
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    await stream.answer()
    const { tlsCa } = await organization()
    const pems = [clientTls.certificate, tlsCa.certificate]
    const fingerprints = pems.map((pem) => new X509Certificate(pem).fingerprint256)
    expect(told).to.deep.equal(fingerprints)
  })

  it('answers nothing before the envelope is in a block', async () => {
    fixture = await serve()
    fixture.chain.hold()
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    stream.send(Buffer.from([0xff])) // its answer is ready at once, but not its turn
    await fixture.chain.queued(1)
    for (let count = 0; count < 20; count++) await turn()
    expect(stream.waiting).to.equal(0)
    fixture.chain.release()
    expect((await stream.answer()).status).to.equal('SUCCESS')
    expect((await stream.answer()).status).to.equal('BAD_REQUEST')
  })

  const refusals: [string, string, string, (f: Fixture) => Buffer][] = [
    ['garbage', 'BAD_REQUEST', 'malformed', () => Buffer.from([0xff, 0xff])],
    ['an empty envelope', 'BAD_REQUEST', 'empty', () => Buffer.alloc(0)],
    ['a payload without header', 'BAD_REQUEST', 'header', () => Buffer.from('0a03120161', 'hex')],
    [
      'an unknown channel',
      'BAD_REQUEST',
      '"other" does not exist',
      (f) => envelope(f.signer, { channelId: 'other' }),
    ],
    [
      'a configuration that only a consenter makes',
      'BAD_REQUEST',
      'CONFIG cannot',
      (f) => envelope(f.signer, { type: common.HeaderType.CONFIG }),
    ],
    [
      'a request for another service',
      'BAD_REQUEST',
      'DELIVER_SEEK_INFO cannot',
      (f) => envelope(f.signer, { type: common.HeaderType.DELIVER_SEEK_INFO }),
    ],
  ]
  for (const [what, status, info, make] of refusals) {
    it(`answers ${status} to ${what} and goes on`, async () => {
      fixture = await serve()
      const stream = fixture.connect('broadcast')
      stream.send(make(fixture))
      stream.send(envelope(fixture.signer))
      const answer = await stream.answer()
      expect(answer.status).to.equal(status)
      expect(answer.info).to.contain(info)
      expect((await stream.answer()).status).to.equal('SUCCESS')
    })
  }

  it('takes an envelope of the limit and answers 413 to one byte more', async () => {
    const signer = await (await organization()).identity('client', 'client')
    const fits = envelope(signer)
    fixture = await serve({ maxEnvelopeBytes: fits.length })
    const stream = fixture.connect('broadcast')
    stream.send(fits)
    stream.send(Buffer.concat([fits, Buffer.from('1801', 'hex')]))
    expect((await stream.answer()).status).to.equal('SUCCESS')
    expect((await stream.answer()).status).to.equal('REQUEST_ENTITY_TOO_LARGE')
  })

  it('answers FORBIDDEN when the policy does not let the signer write', async () => {
    fixture = await serve({
      chain: {
        authorize: (action) =>
          Promise.reject(new OrdererError('ORDERER_FORBIDDEN', `no ${action} for you`)),
      },
    })
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    expect(await stream.answer()).to.deep.equal({ status: 'FORBIDDEN', info: 'no write for you' })
  })

  it('answers FORBIDDEN to an identity that has expired', async () => {
    const expiresAt = new Date(Date.now() - 1000)
    fixture = await serve({ chain: { authorize: () => Promise.resolve({ expiresAt }) } })
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    expect((await stream.answer()).status).to.equal('FORBIDDEN')
    expect(fixture.chain.height()).to.equal(0n)
  })

  it('answers SERVICE_UNAVAILABLE while the chain cannot order, and SUCCESS afterwards', async () => {
    fixture = await serve()
    const stream = fixture.connect('broadcast')
    fixture.chain.fail(new Error('no quorum'))
    stream.send(envelope(fixture.signer))
    expect((await stream.answer()).status).to.equal('SERVICE_UNAVAILABLE')
    fixture.chain.recover()
    stream.send(envelope(fixture.signer))
    expect((await stream.answer()).status).to.equal('SUCCESS')
  })

  it('gives the status that the composition names for a foreign code, else 500', async () => {
    fixture = await serve({ statuses: { PBFT_POOL_FULL: common.Status.SERVICE_UNAVAILABLE } })
    const stream = fixture.connect('broadcast')
    const failures = [new CodedError('PBFT_POOL_FULL', 'full'), new CodedError('X_Y', 'what')]
    fixture.chain.submit = () => Promise.reject(failures.shift()!)
    stream.send(envelope(fixture.signer))
    stream.send(envelope(fixture.signer))
    expect(await stream.answer()).to.deep.equal({ status: 'SERVICE_UNAVAILABLE', info: 'full' })
    expect((await stream.answer()).status).to.equal('INTERNAL_SERVER_ERROR')
  })

  it('works on many envelopes at once and answers in their order', async () => {
    fixture = await serve()
    const finish = new Map<string, () => void>()
    fixture.chain.submit = ({ bytes }) =>
      new Promise((resolve) => finish.set(Buffer.from(bytes).toString('hex'), resolve))
    const stream = fixture.connect('broadcast')
    const all = [...Array(50).keys()].map((index) =>
      envelope(fixture!.signer, { nonce: Buffer.from(String(index)) }),
    )
    for (const bytes of all) stream.send(bytes)
    while (finish.size < all.length) await turn()
    // The last ones first: nothing may be answered before the first one is.
    for (const bytes of all.slice(1).reverse()) finish.get(bytes.toString('hex'))!()
    await turn()
    expect(stream.waiting).to.equal(0)
    finish.get(all[0]!.toString('hex'))!()
    for (let index = 0; index < all.length; index++) {
      expect((await stream.answer()).status, `answer ${index}`).to.equal('SUCCESS')
    }
  })

  it('takes as many as the window at a time and reads on when one is answered', async () => {
    fixture = await serve({ broadcastWindow: 4 })
    const finish: (() => void)[] = []
    fixture.chain.submit = () => new Promise((resolve) => finish.push(resolve))
    const stream = fixture.connect('broadcast')
    for (let index = 0; index < 10; index++) stream.send(envelope(fixture.signer))
    while (finish.length < 4) await turn()
    for (let count = 0; count < 20; count++) await turn()
    expect(finish, 'at the bound').to.have.length(4)
    finish[0]!()
    await stream.answer()
    while (finish.length < 5) await turn()
    for (let count = 0; count < 20; count++) await turn()
    expect(finish, 'after one answer').to.have.length(5)
  })

  it('takes no further envelope once the bytes under way reach their bound', async () => {
    const signer = await (await organization()).identity('client', 'client')
    const bytes = envelope(signer)
    fixture = await serve({ broadcastWindowBytes: 2 * bytes.length })
    const finish: (() => void)[] = []
    fixture.chain.submit = () => new Promise((resolve) => finish.push(resolve))
    const stream = fixture.connect('broadcast')
    for (let index = 0; index < 6; index++) stream.send(bytes)
    while (finish.length < 2) await turn()
    for (let count = 0; count < 20; count++) await turn()
    expect(finish).to.have.length(2)
  })

  it('lets thousands of envelopes flow on one stream', async () => {
    fixture = await serve({ chain: { batchSize: 500 } })
    const stream = fixture.connect('broadcast')
    const count = 5000
    for (let index = 0; index < count; index++) {
      stream.send(envelope(fixture.signer, { nonce: Buffer.from(String(index)) }))
    }
    for (let index = 0; index < count; index++) {
      expect((await stream.answer()).status, `answer ${index}`).to.equal('SUCCESS')
    }
  })

  it('is not held up by a client that sends and never reads', async () => {
    fixture = await serve({ broadcastWindow: 10 })
    const silent = fixture.connect('broadcast')
    silent.call.pause()
    for (let index = 0; index < 1000; index++) silent.send(envelope(fixture.signer))
    const other = fixture.connect('broadcast')
    other.send(envelope(fixture.signer, { nonce: Buffer.from('other') }))
    expect((await other.answer()).status).to.equal('SUCCESS')
  })

  it('answers everything under way after the client has said that no more comes', async () => {
    fixture = await serve()
    const stream = fixture.connect('broadcast')
    for (let index = 0; index < 3; index++) stream.send(envelope(fixture.signer))
    stream.call.end()
    for (let index = 0; index < 3; index++)
      expect((await stream.answer()).status).to.equal('SUCCESS')
    expect(await stream.next()).to.equal(undefined)
  })

  it('ends the waiting of a client that left, and does not call that a refusal', async () => {
    const { logger, lines } = warnings()
    fixture = await serve({ deps: { logger } })
    const stream = fixture.connect('broadcast')
    const left = new Promise<void>((resolve) => {
      fixture!.chain.submit = (_, options) => {
        stream.close()
        return new Promise((_, reject) => {
          options!.signal!.addEventListener('abort', () => {
            reject(options!.signal!.reason as Error)
            resolve()
          })
        })
      }
    })
    stream.send(envelope(fixture.signer))
    await left
    await turn()
    expect(lines).to.deep.equal([])
  })

  it('logs why it refused, but not that it was busy', async () => {
    const { logger, lines } = warnings()
    fixture = await serve({ deps: { logger } })
    const stream = fixture.connect('broadcast')
    stream.send(Buffer.from([0xff]))
    await stream.answer()
    fixture.chain.fail(new Error('busy'))
    stream.send(envelope(fixture.signer))
    await stream.answer()
    expect(lines).to.have.length(1)
    const [event, fields] = lines[0]!
    expect(event).to.equal('broadcast refused')
    expect(fields).to.include({ port: 'orderer', channel: '', type: '', status: 'BAD_REQUEST' })
    expect(fields['address']).to.match(/^127\.0\.0\.1:\d+$/)
    expect(fields['reason']).to.match(/^malformed envelope: \w/)
  })

  it('answers all of a flood of bad envelopes, and logs maxRefusalLinesPerMinute of them', async () => {
    const { logger, lines } = warnings()
    fixture = await serve({ deps: { logger }, maxRefusalLinesPerMinute: 3 })
    const stream = fixture.connect('broadcast')
    for (let i = 0; i < 10; i++) {
      stream.send(Buffer.from([0xff]))
      expect(await stream.answer()).to.include({ status: 'BAD_REQUEST' })
    }
    expect(lines.map(([event]) => event)).to.deep.equal([
      ...Array<string>(3).fill('broadcast refused'),
      'further refusals are counted only',
    ])
  })

  it('counts envelopes by channel, type and status', async () => {
    const counted: unknown[] = []
    const metric = {
      add: (_: number, labels: unknown) => counted.push(labels),
      observe: () => undefined,
    }
    const register = { ...metric, set: () => undefined }
    fixture = await serve({
      deps: {
        metrics: { counter: () => register, gauge: () => register, histogram: () => register },
      },
    })
    const stream = fixture.connect('broadcast')
    stream.send(envelope(fixture.signer))
    await stream.answer()
    expect(counted).to.deep.include({ channel: channelId, type: 'MESSAGE', status: 'SUCCESS' })
  })
})

/** A logger, and what it was told at level warn. */
function warnings() {
  const lines: [event: string, fields: Record<string, unknown>][] = []
  const ignore = (): void => undefined
  const warn = (event: string, fields = {}): void => void lines.push([event, fields])
  const logger: Logger = { debug: ignore, info: ignore, error: ignore, warn, child: () => logger }
  return { logger, lines }
}

/** One turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

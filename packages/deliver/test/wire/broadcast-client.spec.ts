import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import type { Clock } from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import {
  type BroadcastClient,
  type BroadcastClientOptions,
  type DeliverError,
  type Endpoint,
  createBroadcastClient,
  signedEnvelope,
} from '../../src/index.ts'
import { maxSpreadBytes } from '../../src/spreading.ts'
import {
  answerFrame,
  channel,
  channelId,
  honest,
  hasty,
  scripted,
  started,
  stopAll,
  until,
} from '../network.ts'

async function envelope(text: string): Promise<Uint8Array> {
  const { client } = await channel()
  const { bytes } = await signedEnvelope({
    channelId,
    type: common.HeaderType.MESSAGE,
    data: Buffer.from(text),
    signer: client,
    clock: systemClock,
  })
  return bytes
}

/** One of so many bytes; signatures are not all of the same length. */
async function envelopeOf(length: number): Promise<Uint8Array> {
  for (let text = length; ;) {
    const bytes = await envelope('x'.repeat(text))
    if (bytes.length === length) return bytes
    text += length - bytes.length
  }
}

async function clientOf(
  options: Partial<BroadcastClientOptions> & Pick<BroadcastClientOptions, 'endpoints'>,
  clock: Clock = systemClock,
): Promise<BroadcastClient> {
  const { clientTls } = await channel()
  const client = createBroadcastClient(
    { clock, random: () => 0 },
    { tls: clientTls, ...hasty, ...options },
  )
  await client.start()
  started.push(client)
  return client
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => error,
  )

let lastPort = 1

/** Endpoints at which nobody listens, each another one. */
const nowhere = (): Endpoint[] => [{ address: `127.0.0.1:${lastPort++}`, roots: [] }]

describe('BroadcastClient', function () {
  this.timeout(30_000) // a loaded machine takes its time

  afterEach(stopAll)

  it('resolves with status and endpoint when the envelope is in a block', async () => {
    const { chain, endpoint } = await honest()
    const client = await clientOf({ endpoints: [endpoint] })
    const bytes = await envelope('one')
    const result = await client.submit(bytes)
    expect(result).to.deep.equal({
      status: common.Status.SUCCESS,
      info: '',
      endpoint: endpoint.address,
    })
    expect(chain.height()).to.equal(2n)
    expect(client.pending).to.equal(0)
  })

  it('sends thousands, many at a time, each to its own answer', async () => {
    const { endpoint } = await honest({ batchSize: 500 })
    const client = await clientOf({ endpoints: [endpoint], window: 500 })
    const envelopes = await Promise.all([...Array(2000).keys()].map((n) => envelope(String(n))))
    const results = await Promise.all(envelopes.map((bytes) => client.submit(bytes)))
    expect(new Set(results.map(({ status }) => status))).to.deep.equal(
      new Set([common.Status.SUCCESS]),
    )
  })

  it('keeps no more than the window unanswered', async () => {
    let received = 0
    const answers: (() => void)[] = []
    const endpoint = await scripted((call) => {
      call.on('data', () => {
        received++
        answers.push(() => call.write(answerFrame(common.Status.SUCCESS)))
      })
    })
    const client = await clientOf({ endpoints: [endpoint], window: 3 })
    const all = Promise.all([1, 2, 3, 4, 5].map(async (n) => client.submit(await envelope(`${n}`))))
    await until(() => received === 3)
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(received).to.equal(3)
    answers.shift()!()
    await until(() => received === 4)
    const pump = setInterval(() => answers.shift()?.(), 1)
    await all
    clearInterval(pump)
  })

  it('rejects above the number that may wait beside those that are sent', async () => {
    const endpoint = await scripted(() => undefined)
    const client = await clientOf({ endpoints: [endpoint], window: 1, maxQueued: 2 })
    const bytes = await envelope('x')
    const submitted = [1, 2, 3].map(() => rejection(client.submit(bytes)))
    const error = await rejection(client.submit(bytes))
    expect(error).to.have.property('code', 'DELIVER_QUEUE_FULL')
    await client.stop()
    for (const reason of await Promise.all(submitted)) {
      expect(reason).to.have.property('code', 'DELIVER_STOPPED')
    }
  })

  for (const status of [
    common.Status.BAD_REQUEST,
    common.Status.FORBIDDEN,
    common.Status.NOT_FOUND,
    common.Status.REQUEST_ENTITY_TOO_LARGE,
    common.Status.INTERNAL_SERVER_ERROR,
    common.Status.NOT_IMPLEMENTED,
  ]) {
    it(`rejects with ${common.Status[status]} and sends it no second time`, async () => {
      let received = 0
      const endpoint = await scripted((call) => {
        call.on('data', () => {
          const first = received++ === 0
          call.write(answerFrame(first ? status : common.Status.SUCCESS, first ? 'because' : ''))
        })
      })
      const client = await clientOf({ endpoints: [endpoint] })
      const [refused, taken] = await Promise.all([
        rejection(client.submit(await envelope('bad'))),
        client.submit(await envelope('good')),
      ])
      expect(refused).to.deep.include({
        code: 'DELIVER_STATUS',
        status,
        info: 'because',
        endpoint: endpoint.address,
      })
      expect(taken.status).to.equal(common.Status.SUCCESS)
      expect([received, endpoint.streams()], 'both on one stream').to.deep.equal([2, 1])
    })
  }

  it('sends again, on the same stream, what met SERVICE_UNAVAILABLE while others succeed', async () => {
    const seen: string[] = []
    const endpoint = await scripted((call) => {
      call.on('data', (bytes: Buffer) => {
        const key = bytes.toString('hex')
        const busy = seen.length === 0
        seen.push(key)
        const { SERVICE_UNAVAILABLE, SUCCESS } = common.Status
        call.write(answerFrame(busy ? SERVICE_UNAVAILABLE : SUCCESS))
      })
    })
    const client = await clientOf({ endpoints: [endpoint], minBackOffMs: 30, maxBackOffMs: 30 })
    const [a, b] = [await envelope('a'), await envelope('b')]
    await Promise.all([client.submit(a), client.submit(b)])
    const keys = [a, b, a].map((bytes) => Buffer.from(bytes).toString('hex'))
    expect(seen).to.deep.equal(keys)
    expect(endpoint.streams()).to.equal(1)
  })

  it('goes to another endpoint when one is unavailable', async () => {
    const busy = await scripted((call) => {
      call.on('data', () => call.write(answerFrame(common.Status.SERVICE_UNAVAILABLE)))
    })
    const { endpoint } = await honest()
    const client = await clientOf({ endpoints: [busy, endpoint] })
    const result = await client.submit(await envelope('x'))
    expect(result.endpoint).to.equal(endpoint.address)
  })

  it('sends unanswered envelopes again, with the same bytes, when the stream breaks', async () => {
    const { chain, endpoint } = await honest({ batchSize: 3 })
    const taken: string[] = []
    const breaking = await scripted((call, stream) => {
      call.on('data', (bytes: Buffer) => {
        taken.push(bytes.toString('hex'))
        if (stream === 0 && taken.length <= 2) call.write(answerFrame(common.Status.SUCCESS))
        if (taken.length === 5) call.emit('error', { code: 13, details: 'FLOW_CONTROL_ERROR' })
      })
    })
    const client = await clientOf({ endpoints: [breaking, endpoint] })
    const envelopes = await Promise.all([...Array(10).keys()].map((n) => envelope(String(n))))
    const results = await Promise.all(envelopes.map((bytes) => client.submit(bytes)))
    const by = results.map((result) => (result.endpoint === breaking.address ? 'first' : 'second'))
    expect(by).to.deep.equal([
      ...Array<string>(2).fill('first'),
      ...Array<string>(8).fill('second'),
    ])
    const stored: string[] = []
    for (let number = 1n; number < chain.height(); number++) {
      const block = decode(common.BlockSchema, (await chain.block(number))!)
      stored.push(...block.data!.data.map((bytes) => Buffer.from(bytes).toString('hex')))
    }
    const rest = envelopes.slice(2).map((bytes) => Buffer.from(bytes).toString('hex'))
    expect(stored).to.deep.equal(rest)
  })

  it('has nothing executed twice when only the acknowledgement was lost', async () => {
    const first = await honest({ batchSize: 100 })
    const { chain } = first
    const second = await honest({ chain })
    chain.hold()
    const client = await clientOf({ endpoints: [first.endpoint, second.endpoint] })
    const envelopes = await Promise.all([...Array(20).keys()].map((n) => envelope(String(n))))
    const results = Promise.all(envelopes.map((bytes) => client.submit(bytes)))
    await chain.queued(20)
    await first.server.stop({ signal: AbortSignal.abort() })
    chain.release()
    for (const { endpoint } of await results) expect(endpoint).to.equal(second.endpoint.address)
    const block = decode(common.BlockSchema, (await chain.block(1n))!)
    expect(block.data!.data).to.have.length(20)
    expect(chain.height()).to.equal(2n)
  })

  it('goes to another endpoint when answers are due and none comes', async () => {
    const silent = await scripted((call) => call.on('data', () => undefined))
    const { endpoint } = await honest()
    const client = await clientOf({ endpoints: [silent, endpoint], answerTimeoutMs: 500 })
    const result = await client.submit(await envelope('x'))
    expect(result.endpoint).to.equal(endpoint.address)
  })

  it('goes on with a stream that was idle for longer than answers may take', async () => {
    const { endpoint } = await honest()
    const client = await clientOf({ endpoints: [endpoint], answerTimeoutMs: 500 })
    await client.submit(await envelope('a'))
    const idleUntil = systemClock.now() + 700
    await until(() => systemClock.now() > idleUntil)
    expect((await client.submit(await envelope('b'))).endpoint).to.equal(endpoint.address)
  })

  const lies: [string, Buffer][] = [
    ['garbage', Buffer.from([0xff, 0xff])],
    ['two answers to one envelope', answerFrame(common.Status.SUCCESS)],
  ]
  for (const [what, frame] of lies) {
    it(`survives a service that sends ${what}`, async () => {
      const liar = await scripted((call) => {
        call.on('data', () => {
          call.write(frame)
          call.write(frame)
        })
      })
      const { endpoint } = await honest()
      const client = await clientOf({ endpoints: [liar, endpoint] })
      await client.submit(await envelope('a'))
      await until(() => client.pending === 0)
      // Whatever the liar did to the stream, the client goes on.
      const { status } = await client.submit(await envelope('b'))
      expect(status).to.equal(common.Status.SUCCESS)
    })
  }

  it('keeps trying while nobody can be reached, until somebody can', async () => {
    const probe = await honest()
    const [, port] = probe.endpoint.address.split(':')
    await probe.server.stop()
    const client = await clientOf({ endpoints: [probe.endpoint] })
    const result = client.submit(await envelope('x'))
    const late = await honest({ server: { listen: { host: 'localhost', port: Number(port) } } })
    expect((await result).endpoint).to.equal(late.endpoint.address)
  })

  it('waits no longer from one broken stream to the next while each of them took something', async () => {
    const endpoint = await scripted((call) => {
      call.once('data', () => {
        call.write(answerFrame(common.Status.SUCCESS))
        call.end()
      })
    })
    const waits: number[] = []
    const clock: Clock = {
      now: () => systemClock.now(),
      wallTime: () => systemClock.wallTime(),
      schedule: (ms, task) => {
        waits.push(ms)
        return systemClock.schedule(ms, task)
      },
    }
    const backOff = { minBackOffMs: 1, maxBackOffMs: 1000 }
    const client = await clientOf({ endpoints: [endpoint], ...backOff }, clock)
    for (let n = 0; n < 4; n++) await client.submit(await envelope(String(n)))
    const backOffs = waits.filter((ms) => ms <= backOff.maxBackOffMs)
    expect(new Set(backOffs)).to.deep.equal(new Set([backOff.minBackOffMs]))
  })

  it('rejects with the reason of an aborted signal, before and after it was sent', async () => {
    let received = 0
    const answers: (() => void)[] = []
    const endpoint = await scripted((call) => {
      call.on('data', () => {
        received++
        answers.push(() => call.write(answerFrame(common.Status.SUCCESS)))
      })
    })
    const client = await clientOf({ endpoints: [endpoint], window: 1 })
    const reason = new Error('enough')
    const gone = client.submit(await envelope('x'), { signal: AbortSignal.abort(reason) })
    expect(await rejection(gone)).to.equal(reason)
    const controller = new AbortController()
    const { signal } = controller
    const sent = rejection(client.submit(await envelope('sent'), { signal }))
    const waiting = rejection(client.submit(await envelope('waiting'), { signal }))
    const other = client.submit(await envelope('other'))
    await until(() => received === 1)
    controller.abort(reason)
    expect([await sent, await waiting]).to.deep.equal([reason, reason])
    answers.shift()!()
    await until(() => received === 2)
    answers.shift()!()
    expect((await other).status, 'its own answer, not that of another').to.equal(
      common.Status.SUCCESS,
    )
  })

  it('rejects what is pending when it stops, and everything before and after', async () => {
    const endpoint = await scripted(() => undefined)
    const { clientTls } = await channel()
    const idle = createBroadcastClient(
      { clock: systemClock },
      { endpoints: [endpoint], tls: clientTls },
    )
    expect(await rejection(idle.submit(await envelope('x')))).to.have.property(
      'code',
      'DELIVER_STOPPED',
    )
    const client = await clientOf({ endpoints: [endpoint] })
    const pending = rejection(client.submit(await envelope('x')))
    await until(() => endpoint.streams() === 1)
    await Promise.all([client.stop(), client.stop()])
    expect(await pending).to.have.property('code', 'DELIVER_STOPPED')
    expect(await rejection(client.submit(await envelope('x')))).to.have.property(
      'code',
      'DELIVER_STOPPED',
    )
    expect(await rejection(client.start())).to.have.property('code', 'DELIVER_STOPPED')
  })

  it('rejects a start whose signal has aborted, and does not start', async () => {
    const endpoint = await scripted(() => undefined)
    const client = createBroadcastClient({ clock: systemClock }, { endpoints: [endpoint] })
    const reason = new TypeError('not now')
    const starting = client.start({ signal: AbortSignal.abort(reason) })
    expect(await rejection(starting)).to.equal(reason)
    expect([client.state, endpoint.streams()]).to.deep.equal(['idle', 0])
  })

  it('stops although it was never given anything', async () => {
    const endpoint = await scripted(() => undefined)
    const client = await clientOf({ endpoints: [endpoint] })
    await client.stop()
    expect([client.state, endpoint.streams()]).to.deep.equal(['stopped', 0])
  })

  it('refuses what is no envelope, and one that is too long, without sending it', async () => {
    const { endpoint } = await honest()
    const fits = await envelope('x')
    const client = await clientOf({ endpoints: [endpoint], maxMessageBytes: fits.length })
    const longer = Buffer.concat([fits, Buffer.from('1801', 'hex')])
    for (const bytes of [new Uint8Array(), Buffer.from([0xff]), longer]) {
      const error = await rejection(client.submit(bytes))
      expect(error, `${bytes.length} bytes`).to.have.property('code', 'DELIVER_INVALID_ENVELOPE')
    }
    expect((await client.submit(fits)).status).to.equal(common.Status.SUCCESS)
  })

  it('gives up an envelope for which every service cuts the stream, and only that', async () => {
    const poison = Buffer.from(await envelope('poison'))
    let met = 0
    const cutting = await scripted((call) => {
      call.on('data', (bytes: Buffer) => {
        if (!bytes.equals(poison)) return call.write(answerFrame(common.Status.SUCCESS))
        met++
        return call.emit('error', { code: 13, details: 'cannot read that' })
      })
    })
    const client = await clientOf({ endpoints: [cutting], maxBreaks: 3 })
    const [before, refused, after] = await Promise.all([
      client.submit(await envelope('before')),
      rejection(client.submit(poison)),
      client.submit(await envelope('after')),
    ])
    expect(refused).to.have.property('code', 'DELIVER_STREAM_FAILED')
    expect(met).to.equal(3)
    const statuses = [before.status, after.status]
    expect(statuses).to.deep.equal([common.Status.SUCCESS, common.Status.SUCCESS])
  })

  /** A service that answers nothing, or everything with one status, and what it was sent. */
  async function answering(status?: common.Status, info = '') {
    const received: string[] = []
    const { address, roots } = await scripted((call) => {
      call.on('data', (bytes: Buffer) => {
        received.push(bytes.toString('hex'))
        if (status !== undefined) call.write(answerFrame(status, info))
      })
    })
    return { endpoint: { address, roots }, received }
  }
  const { SUCCESS, BAD_REQUEST, FORBIDDEN } = common.Status
  const endpointsOf = (services: readonly { endpoint: Endpoint }[]): Endpoint[] =>
    services.map(({ endpoint }) => endpoint)

  for (const faults of [0, 1, 2]) {
    it(`gives what stays unanswered to ${faults + 1} others, the same bytes, with ${faults} faults`, async () => {
      const silent = await Promise.all([1, 2, 3, 4].map(() => answering()))
      const client = await clientOf({ endpoints: endpointsOf(silent), faults, spreadAfterMs: 50 })
      const bytes = await envelope('x')
      const result = rejection(client.submit(bytes))
      const lengths = (): number[] => silent.map(({ received }) => received.length)
      const expected = [1, 1, 1, 1].map((one, index) => (index <= faults + 1 ? one : 0))
      await until(() => lengths().join() === expected.join())
      const after = systemClock.now() + 150
      await until(() => systemClock.now() > after)
      expect(lengths(), 'and to nobody else').to.deep.equal(expected)
      const same = Buffer.from(bytes).toString('hex')
      expect(new Set(silent.flatMap(({ received }) => received))).to.deep.equal(new Set([same]))
      await client.stop()
      expect(await result).to.have.property('code', 'DELIVER_STOPPED')
    })
  }

  it('gives it to others when 2 s have passed, unless it is told another time', async () => {
    const silent = await Promise.all([1, 2, 3].map(() => answering()))
    const clock = new VirtualClock()
    const client = await clientOf({ endpoints: endpointsOf(silent), faults: 1 }, clock)
    const result = rejection(client.submit(await envelope('x')))
    await until(() => silent[0]!.received.length === 1)
    await clock.advance(2000)
    await until(() => silent.every(({ received }) => received.length === 1))
    await client.stop()
    expect(await result).to.have.property('code', 'DELIVER_STOPPED')
  })

  it('asks first those that it is not told to suspect', async () => {
    const services = [await answering(SUCCESS), await answering(SUCCESS)]
    const client = await clientOf({ endpoints: endpointsOf(services) })
    const [first, second] = services.map(({ endpoint }) => endpoint.address)
    const sent = async (): Promise<string> => (await client.submit(await envelope('x'))).endpoint
    expect(await sent()).to.equal(first)
    client.suspect('localhost:1')
    expect(await sent()).to.equal(first)
    client.suspect(first!)
    expect([await sent(), await sent()]).to.deep.equal([second, second])
  })

  it('takes the first good answer, and sends what comes then to another than the silent one', async () => {
    const silent = await answering()
    const others = [await answering(SUCCESS), await answering(SUCCESS)]
    const endpoints = endpointsOf([silent, ...others])
    const client = await clientOf({ endpoints, faults: 1, spreadAfterMs: 500 })
    expect((await client.submit(await envelope('first'))).status).to.equal(SUCCESS)
    const texts = await Promise.all(['a', 'b', 'c'].map((text) => envelope(text)))
    for (const bytes of texts) {
      expect((await client.submit(bytes)).endpoint).to.equal(others[0]!.endpoint.address)
    }
    expect(silent.received).to.have.length(1)
    expect(client.pending).to.equal(0)
  })

  /** A service that answers one envelope after the other, each `ms` after the one before. */
  async function slow(ms: number): Promise<Endpoint> {
    const { address, roots } = await scripted((call) => {
      let due = 0
      call.on('data', () => {
        due = Math.max(due, systemClock.now()) + ms
        systemClock.schedule(due - systemClock.now(), () => call.write(answerFrame(SUCCESS)))
      })
    })
    return { address, roots }
  }

  it('asks nobody else while answers come, if late: the network may be busy', async () => {
    const other = await answering(SUCCESS)
    const endpoints = [await slow(100), other.endpoint]
    const client = await clientOf({ endpoints, faults: 1, spreadAfterMs: 1000 })
    const texts = Array.from({ length: 15 }, (_, index) => envelope(String(index)))
    await Promise.all((await Promise.all(texts)).map((bytes) => client.submit(bytes)))
    expect(other.received).to.deep.equal([])
  })

  it('asks others when answers come far too late', async () => {
    const other = await answering(SUCCESS)
    const endpoints = [await slow(100), other.endpoint]
    const client = await clientOf({ endpoints, faults: 1, spreadAfterMs: 200 })
    const texts = Array.from({ length: 30 }, (_, index) => envelope(String(index)))
    const results = await Promise.all(
      (await Promise.all(texts)).map((bytes) => client.submit(bytes)),
    )
    expect(new Set(results.map(({ endpoint }) => endpoint)).size).to.equal(2)
    expect(other.received.length).to.be.within(1, 29)
  })

  it('asks nobody else when it is told to wait for ever', async () => {
    const [silent, other] = [await answering(), await answering(SUCCESS)]
    const endpoints = endpointsOf([silent, other])
    const client = await clientOf({ endpoints, faults: 1, spreadAfterMs: Infinity })
    void rejection(client.submit(await envelope('x')))
    await until(() => silent.received.length === 1)
    const after = systemClock.now() + 150
    await until(() => systemClock.now() > after)
    expect(other.received).to.deep.equal([])
  })

  it('gives it to one more when one of the others goes, and not to that one again', async () => {
    let ended = 0
    const silent = [await answering(), await answering()]
    const gone = await scripted((call) =>
      call.on('data', () => {
        ended++
        call.end()
      }),
    )
    const last = await answering(SUCCESS)
    const endpoints = [...endpointsOf([silent[0]!]), gone, ...endpointsOf([silent[1]!, last])]
    const client = await clientOf({ endpoints, faults: 1, spreadAfterMs: 50 })
    const { endpoint } = await client.submit(await envelope('x'))
    expect(endpoint).to.equal(last.endpoint.address)
    expect([...silent.map(({ received }) => received.length), ended]).to.deep.equal([1, 1, 1])
  })

  it('gives others maxSpreadBytes at a time, and the next when one of those is answered', async () => {
    const silent = await answering()
    const answers: (() => void)[] = []
    const held = await scripted((call) =>
      call.on('data', () => answers.push(() => call.write(answerFrame(SUCCESS)))),
    )
    const endpoints = [silent.endpoint, held]
    const client = await clientOf({ endpoints, spreadAfterMs: 50 })
    const quarter = await envelopeOf(maxSpreadBytes / 4)
    const given = [quarter, quarter, quarter, quarter, await envelope('x')]
    const all = given.map((bytes) => client.submit(bytes))
    await until(() => answers.length === 4)
    const after = systemClock.now() + 150
    await until(() => systemClock.now() > after)
    expect(answers, 'the fifth waits').to.have.length(4)
    answers[0]!()
    await until(() => answers.length === 5)
    for (const answer of answers.slice(1)) answer()
    await Promise.all(all)
  })

  it('has no more than the window under way, however many have a copy', async () => {
    const silent = await Promise.all([1, 2, 3].map(() => answering()))
    const endpoints = endpointsOf(silent)
    const client = await clientOf({ endpoints, faults: 1, spreadAfterMs: 50, window: 2 })
    const all = ['a', 'b', 'c'].map(async (text) => rejection(client.submit(await envelope(text))))
    await until(() => silent.every(({ received }) => received.length === 2))
    const after = systemClock.now() + 150
    await until(() => systemClock.now() > after)
    expect(silent.map(({ received }) => received.length)).to.deep.equal([2, 2, 2])
    await client.stop()
    await Promise.all(all)
  })

  it('believes no refusal that only one endpoint gives, when one may lie', async () => {
    const [liar, honest] = [
      await answering(BAD_REQUEST, 'your clock is wrong'),
      await answering(SUCCESS),
    ]
    const endpoints = endpointsOf([liar, honest, await answering(SUCCESS)])
    const client = await clientOf({ endpoints, faults: 1 })
    const { endpoint } = await client.submit(await envelope('x'))
    expect(endpoint).to.equal(honest.endpoint.address)
  })

  it('believes a refusal that one more gives than may lie, and asks nobody else', async () => {
    const refusing = [await answering(FORBIDDEN, 'no'), await answering(BAD_REQUEST, 'because')]
    const third = await answering(SUCCESS)
    const client = await clientOf({ endpoints: endpointsOf([...refusing, third]), faults: 1 })
    const failure = await rejection(client.submit(await envelope('x')))
    expect(failure).to.include({ code: 'DELIVER_STATUS', status: BAD_REQUEST, info: 'because' })
    expect(third.received).to.deep.equal([])
    expect(client.pending).to.equal(0)
  })

  it('gives up after some time when only one has refused it and nobody else can be reached', async () => {
    const refusing = await answering(BAD_REQUEST, 'because')
    const endpoints = [refusing.endpoint, ...nowhere(), ...nowhere()]
    const client = await clientOf({ endpoints, faults: 1, unreachableTimeoutMs: 100 })
    const failure = (await rejection(client.submit(await envelope('x')))) as DeliverError
    const { address } = refusing.endpoint
    expect(failure).to.include({ code: 'DELIVER_UNREACHABLE', endpoint: address })
    expect(failure.message).to.match(
      /^refused by one endpoint only, .* answered BAD_REQUEST: .*because/,
    )
    expect(failure.cause).to.include({ code: 'DELIVER_STATUS', status: BAD_REQUEST })
  })

  it('refuses no endpoint and limits of 0', () => {
    const deps = { clock: systemClock }
    expect(() => createBroadcastClient(deps, { endpoints: [] }))
      .to.throw()
      .with.property('code', 'DELIVER_NO_ENDPOINTS')
    const endpoints = [{ address: 'localhost:1', roots: [] }]
    for (const spoilt of [
      { window: 0 },
      { maxQueued: 0 },
      { answerTimeoutMs: -1 },
      { faults: -1 },
      { spreadAfterMs: 0 },
      { window: '9' as unknown as number },
      { windows: 9 },
    ]) {
      expect(() => createBroadcastClient(deps, { endpoints, ...spoilt }), JSON.stringify(spoilt))
        .to.throw()
        .with.property('code', 'DELIVER_INVALID_OPTIONS')
    }
  })
})

import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import {
  type Fixture,
  type RawStream,
  envelope,
  organization,
  otherTls,
  serve,
} from '../harness.ts'

describe('the Broadcast streams of one client', function () {
  this.timeout(30_000) // a loaded machine takes its time

  let fixture: Fixture
  /** Ends what the chain has, by the nonce of the envelope. */
  let finish: Map<string, () => void>
  let nonce: number

  async function start(options: Parameters<typeof serve>[0]): Promise<void> {
    fixture = await serve(options)
    finish = new Map()
    nonce = 0
    fixture.chain.submit = ({ bytes }) =>
      new Promise((resolve) => finish.set(Buffer.from(bytes).toString('hex'), resolve))
  }
  afterEach(() => fixture.close())

  function send(stream: RawStream, count = 1): string[] {
    return [...Array(count).keys()].map(() => {
      const bytes = envelope(fixture.signer, { nonce: Buffer.from([nonce++]) })
      stream.send(bytes)
      return bytes.toString('hex')
    })
  }

  async function turns(): Promise<void> {
    for (let count = 0; count < 20; count++) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  /** Waits until the chain has so many, and sees that no more come. */
  async function taken(count: number, what: string): Promise<void> {
    while (finish.size < count) await new Promise((resolve) => setImmediate(resolve))
    await turns()
    expect(finish.size, what).to.equal(count)
  }

  it('have broadcastWindowPerClient envelopes under way together, and other clients theirs', async () => {
    await start({ broadcastWindowPerClient: 3 })
    const [first, second] = [fixture.connect('broadcast'), fixture.connect('broadcast')]
    const [one = ''] = send(first, 2)
    await taken(2, 'of the first stream')
    send(second, 2)
    await taken(3, 'at the bound')
    const third = fixture.connect('broadcast')
    send(third)
    await taken(3, 'a stream that is opened at the bound')
    const other = fixture.connect('broadcast', await (await organization()).tls('another'))
    send(other, 4)
    await taken(6, 'of another client')
    finish.get(one)?.()
    expect((await first.answer()).status).to.equal('SUCCESS')
    await taken(7, 'after one answer')
    for (const end of finish.values()) end()
    const rest = [first, second, second, third, other, other, other]
    while (finish.size < 9) {
      await turns()
      for (const end of finish.values()) end()
    }
    for (const stream of rest) expect((await stream.answer()).status).to.equal('SUCCESS')
  })

  it('of all clients of an organisation have broadcastWindowPerOrganization envelopes under way together', async () => {
    await start({ broadcastWindowPerClient: 2, broadcastWindowPerOrganization: 3 })
    const first = fixture.connect('broadcast')
    const [one = ''] = send(first, 3)
    await taken(2, 'of the first client')
    const second = fixture.connect('broadcast', await (await organization()).tls('another'))
    send(second, 2)
    await taken(3, 'at the bound')
    send(fixture.connect('broadcast', await otherTls()))
    await taken(4, 'of another organisation')
    finish.get(one)?.()
    expect((await first.answer()).status).to.equal('SUCCESS')
    await taken(5, 'after one answer')
    for (const end of finish.values()) end()
    await taken(6, 'after all')
  })

  it('of all clients of an organisation are read no further for a while when too much of them is refused', async () => {
    const clock = new VirtualClock()
    const refusals = { maxRefusalsPerSecondPerClient: 1, maxRefusalsPerSecondPerOrganization: 3 }
    await start({ ...refusals, deps: { clock } })
    const tls = await Promise.all(
      ['one', 'two'].map(async (name) => (await organization()).tls(name)),
    )
    const streams = tls.map((each) => fixture.connect('broadcast', each))
    for (let count = 0; count < 7; count++) {
      streams[count % 2]!.send(Buffer.from('nonsense'))
      expect((await streams[count % 2]!.answer()).status).to.equal('BAD_REQUEST')
    }
    send(streams[0]!)
    await taken(0, 'while they are held back')
    send(fixture.connect('broadcast', await otherTls()))
    await taken(1, 'of another organisation')
    await clock.advance(1000)
    await taken(2, 'when that has come back')
  })

  for (const [more, expected] of [
    [0, 2],
    [1, 3],
  ] as const) {
    it(`have broadcastWindowBytesPerClient under way together: ${expected} envelopes with room for two and ${more} bytes`, async () => {
      const bytes = envelope(await (await organization()).identity('client', 'client'))
      await start({ broadcastWindowBytesPerClient: 2 * bytes.length + more })
      const ends: (() => void)[] = []
      fixture.chain.submit = () => new Promise((resolve) => ends.push(resolve))
      const streams = [1, 2, 3, 4].map(() => fixture.connect('broadcast'))
      for (const stream of streams) stream.send(bytes)
      while (ends.length < expected) await turns()
      await turns()
      expect(ends).to.have.length(expected)
      ends[0]?.()
      while (ends.length < expected + 1) await turns()
      await turns()
      expect(ends, 'after one answer').to.have.length(expected + 1)
    })
  }

  it('are read no further for a while when too much of it is refused, which others do not feel', async () => {
    const clock = new VirtualClock()
    await start({ maxRefusalsPerSecondPerClient: 1, deps: { clock } })
    const [first, second] = [fixture.connect('broadcast'), fixture.connect('broadcast')]
    for (let count = 0; count < 6; count++) {
      first.send(Buffer.from('nonsense'))
      expect((await first.answer()).status).to.equal('BAD_REQUEST')
    }
    send(second)
    await taken(0, 'while it is held back')
    send(fixture.connect('broadcast', await (await organization()).tls('another')))
    await taken(1, 'of another client')
    await clock.advance(1000)
    await taken(2, 'when that has come back')
    for (const end of finish.values()) end()
    expect((await second.answer()).status).to.equal('SUCCESS')
  })

  it('have room again when one of them breaks off and the chain has let go of its envelopes', async () => {
    await start({ broadcastWindowPerClient: 2 })
    const [first, second] = [fixture.connect('broadcast'), fixture.connect('broadcast')]
    const sent = send(first, 2)
    await taken(2, 'of the first stream')
    send(second)
    first.close()
    await taken(2, 'while the chain has them')
    for (const each of sent) finish.get(each)?.()
    await taken(3, 'after that')
  })

  it('have room again when a stream breaks off with answers that were not read', async () => {
    await start({ broadcastWindowPerClient: 2 })
    const [first, second] = [fixture.connect('broadcast'), fixture.connect('broadcast')]
    // The second is answered, but it is not its turn.
    const [, later = ''] = send(first, 2)
    await taken(2, 'of the first stream')
    finish.get(later)?.()
    send(second)
    await taken(2, 'while the first is there')
    first.close()
    await taken(3, 'after that')
  })
})

import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { create, heddle } from '@heddle/proto'
import { ClientError, Monitor, clockSentence, maxOffsetMs, orClock } from '../../src/index.ts'
import type { NetworkClient, ValidatorClient } from '../../src/index.ts'

/** What a validator says of itself; undefined for one that gives no answer. */
interface Said {
  readonly height?: bigint
  readonly view?: bigint
  readonly primary?: number
  /** Its clock less ours, in milliseconds. */
  readonly aheadMs?: number
  /** Whether it refuses the client. */
  readonly refuses?: boolean
}

describe('Monitor', () => {
  const clock = new VirtualClock()
  const refusal = new ClientError('CLIENT_FORBIDDEN', 'validator0 refuses the client')

  function clientOf(said: readonly (Said | undefined)[]): NetworkClient {
    const validators = said.map((each, index): Partial<ValidatorClient> => {
      const { height = 5n, view = 0n, primary = 0, aheadMs = 0, refuses = false } = each ?? {}
      return {
        name: `validator${index}`,
        dateMs: clock.wallTime() + aheadMs,
        status: () =>
          each === undefined || refuses
            ? Promise.reject(refuses ? refusal : new Error('no answer'))
            : Promise.resolve(
                create(heddle.StatusReplySchema, { height, view, primary, activeView: true }),
              ),
      }
    })
    return { validators } as unknown as NetworkClient
  }

  async function monitorOf(...said: (Said | undefined)[]): Promise<Monitor> {
    const monitor = new Monitor(clientOf(said), clock)
    await monitor.ask()
    return monitor
  }

  const heights = (...list: bigint[]): Said[] => list.map((height) => ({ height }))

  it('takes for the height what f + 1 say that they have, whatever one says', async () => {
    expect((await monitorOf(...heights(9n, 9n, 9n, 9n))).height).to.equal(9n)
    expect((await monitorOf(...heights(9n, 8n, 9n, 2n ** 60n))).height).to.equal(9n)
    expect((await monitorOf(...heights(9n, 8n, 9n, 0n))).height).to.equal(9n)
    expect((await monitorOf({ height: 3n }, undefined, { height: 9n }, undefined)).height).to.equal(
      3n,
    )
  })

  it('knows no height that fewer have than may lie', async () => {
    const monitor = await monitorOf(undefined, undefined, { height: 9n }, undefined)
    expect([monitor.height, monitor.answered]).to.deep.equal([undefined, 1])
  })

  it('shows the view, with its primary, that f + 1 say they are in', async () => {
    const honest = { view: 2n, primary: 2 }
    const shown = async (...said: Said[]) => (await monitorOf(...said)).view
    expect(await shown(honest, honest, honest, { view: 99n, primary: 3 })).to.deep.equal(honest)
    expect(await shown(honest, honest, honest, { view: 2n, primary: 3 })).to.deep.equal(honest)
    const next = { view: 3n, primary: 3 }
    expect(await shown(honest, honest, next, next), 'the newer of two').to.deep.equal(next)
    expect(await shown(honest, { view: 1n }, { view: 4n }, { view: 5n })).to.equal(undefined)
  })

  const clocks = async (...list: number[]): Promise<number> =>
    (await monitorOf(...list.map((aheadMs) => ({ aheadMs })))).clockBehindMs

  it('says by how much the own clock is off, as f + 1 have it', async () => {
    const off = 960_000
    expect(await clocks(off, off, off, off)).to.equal(off)
    expect(await clocks(-off, -off, -off, -off)).to.equal(-off)
    expect(await clocks(0, off + 5, off, 0), 'the least that one of them must have').to.equal(off)
  })

  it('believes no single clock, and says nothing of less than maxOffsetMs', async () => {
    expect(await clocks(0, 0, 0, 3_600_000)).to.equal(0)
    expect(await clocks(0, -3_600_000, 0, 0)).to.equal(0)
    expect(await clocks(...Array<number>(4).fill(maxOffsetMs - 1))).to.equal(0)
    expect(await clocks(...Array<number>(4).fill(maxOffsetMs))).to.equal(maxOffsetMs)
  })

  it('says by how much the own clock is off when validators refuse the client for it', async () => {
    const refused = { aheadMs: 960_000, refuses: true }
    const monitor = await monitorOf(refused, refused, undefined, undefined)
    expect(monitor.clockBehindMs).to.equal(960_000)
    expect(monitor.refusal).to.equal(refusal)
  })

  it('believes no single validator that it refuses the client', async () => {
    expect((await monitorOf({ refuses: true }, {}, {}, {})).refusal).to.equal(undefined)
  })

  it('names it to a person with how much, and puts it in the place of what it caused', async () => {
    const [behind, ahead] = [{ aheadMs: 960_000 }, { aheadMs: -45_000 }]
    expect(clockSentence(await monitorOf(behind, behind, behind, behind))).to.equal(
      'the clock of this machine is 16 min behind those of the validators',
    )
    expect(clockSentence(await monitorOf(ahead, ahead, ahead, ahead))).to.equal(
      'the clock of this machine is 45 s ahead of those of the validators',
    )
    const cause = new Error('refused')
    const told = await orClock(clientOf([behind, behind, behind, undefined]), cause, clock)
    expect(told).to.be.instanceOf(ClientError)
    expect(told).to.include({ code: 'CLIENT_WRONG_CLOCK', cause })
    expect(await orClock(clientOf([{}, {}, {}, {}]), cause, clock)).to.equal(cause)
  })
})

import { expect } from 'chai'
import { Intake, maxChecking } from '../../../src/requests/intake.ts'
import { requestDigest } from '../../../src/wire/request-batch.ts'
import { RequestChecker } from '../../../src/requests/request-checker.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'
import { MemoryStateMachine } from '../../../src/testing.ts'
import { turnBytes } from '../../../src/requests/round.ts'

const self = 0
const limits = { batchSize: 3, preferredBatchBytes: 100, maxBatchBytes: 100_000 }
const maxPoolRequests = 300
const maxPoolBytes = 3_000_000

/** A state machine whose checks end one after another, when told. */
class SlowMachine extends MemoryStateMachine {
  /** First letters of the requests under check, in the order in which their checks began. */
  readonly started: string[] = []
  ended = 0
  readonly #waiting: (() => void)[] = []

  override async check(request: Uint8Array): Promise<string> {
    this.started.push(String.fromCharCode(request[0] ?? 0))
    await new Promise<void>((done) => this.#waiting.push(done))
    return super.check(request, 'intake')
  }

  async answer(count: number): Promise<void> {
    for (const done of this.#waiting.splice(0, count)) {
      this.ended++
      done()
    }
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

function setup() {
  const machine = new SlowMachine()
  const pool = new RequestPool({ ...limits, maxPoolRequests, maxPoolBytes })
  const bounds = { ...limits, maxRequestBytes: 100_000, maxRemembered: 10 }
  const checker = new RequestChecker(machine, bounds)
  const intake = new Intake({
    ...{ pool, checker, budgets: { isOverdrawn: () => false } },
    clientOf: (request) => String.fromCharCode(request[0] ?? 0),
  })
  const codes: string[] = []
  let given = 0
  /** Gives as many different requests as one client. */
  const give = (givenBy: string | undefined, count: number, bytes = 20): void => {
    for (let i = 0; i < count; i++) {
      const request = Buffer.from(`${givenBy ?? '?'} ${given++} `.padEnd(bytes, '.'))
      const unchecked = { request, digest: requestDigest(request), purpose: 'intake' as const }
      intake
        .check(self, { ...unchecked, givenBy })
        .catch((error: unknown) => codes.push((error as { code: string }).code))
    }
  }
  /** Another replica brings as many different requests of one client. */
  const bring = (client: string, count: number): void => {
    for (let i = 0; i < count; i++) {
      const request = Buffer.from(`${client} ${given++}`)
      void intake.check(1, { request, digest: requestDigest(request), purpose: 'proposal' })
    }
  }
  const settled = () => machine.answer(0)
  return { machine, give, bring, codes, settled }
}

describe('Intake', () => {
  it('checks maxChecking requests at a time', async () => {
    const { machine, give } = setup()
    give('a', maxChecking + 2)
    await machine.answer(0)
    expect(machine.started).to.have.length(maxChecking)
    await machine.answer(1)
    expect(machine.started).to.have.length(maxChecking + 1)
  })

  it('gives whoever hands requests in turns: nobody waits for all of another’s', async () => {
    const { machine, give } = setup()
    give('a', maxChecking + 50)
    give('b', 1)
    await machine.answer(4)
    expect(machine.started.slice(maxChecking)).to.include('b')
  })

  it('gives whoever signed turns among what another replica brings, as it claims', async () => {
    const { machine, bring } = setup()
    bring('a', maxChecking + 50)
    bring('b', 20)
    await machine.answer(30)
    const ofB = machine.started.filter((each) => each === 'b').length
    expect(ofB).to.be.within(12, 18)
  })

  it('gives as many bytes their turn, not as many requests', async () => {
    const { machine, give } = setup()
    give('a', maxChecking + 40, 2 * turnBytes)
    give('b', 40, turnBytes)
    await machine.answer(30)
    const started = machine.started.slice(maxChecking)
    const ofB = started.filter((each) => each === 'b').length
    expect(ofB).to.be.within(9, 20)
  })

  for (const [what, bytes, most] of [
    ['requests', 20, maxPoolRequests],
    ['bytes', 50_000, maxPoolBytes / 50_000],
  ] as const) {
    it(`lets one client have half of the ${what} on their way, and another one what is free`, async () => {
      const { give, codes, settled } = setup()
      give('a', most / 2, bytes)
      await settled()
      expect(codes).to.deep.equal([])
      give('a', 1, bytes)
      await settled()
      expect(codes).to.deep.equal(['PBFT_POOL_FULL'])
      give('b', most / 4, bytes)
      await settled()
      expect(codes).to.deep.equal(['PBFT_POOL_FULL'])
    })

    it(`counts ${what} on their way no more once they were checked`, async () => {
      const { machine, give, codes } = setup()
      give('a', most / 2, bytes)
      while (machine.ended < most / 2) await machine.answer(1)
      give('a', most / 2, bytes)
      await machine.answer(0)
      expect(codes).to.deep.equal([])
    })

    it(`lets nobody in particular have all ${what} on their way`, async () => {
      const { give, codes, settled } = setup()
      give(undefined, most, bytes)
      await settled()
      expect(codes).to.deep.equal([])
      give(undefined, 1, bytes)
      await settled()
      expect(codes).to.deep.equal(['PBFT_POOL_FULL'])
    })
  }
})

import { createManager, createTimer } from '@heddle/events'
import { VirtualClock } from '@heddle/events/testing'
import { SenderBudgets } from '../../../src/in/sender-budgets.ts'
import { expect } from 'chai'
import { resolveReplicaOptions } from '../../../src/options.ts'
import { RequestChecker } from '../../../src/requests/request-checker.ts'
import { maxShared } from '../../../src/requests/forwarding.ts'
import { RequestDesk } from '../../../src/requests/request-desk.ts'
import { gracePart } from '../../../src/requests/primary-pace.ts'
import { RequestBatch } from '../../../src/wire/request-batch.ts'
import type { Sized } from '../../../src/requests/round.ts'
import { RequestPool } from '../../../src/requests/request-pool.ts'
import { MemoryStateMachine } from '../../../src/testing.ts'

const small = { id: 3, n: 4, forwardTimeoutMs: 500, maxPoolRequests: 20 }
const options = resolveReplicaOptions(small)

const idOf = (request: Uint8Array): string => Buffer.from(request).toString().split('#')[0]!

/** A state machine whose checks end when told, once `isSlow`. */
class SlowMachine extends MemoryStateMachine {
  isSlow = false
  readonly #waiting: (() => void)[] = []

  constructor() {
    super({ idOf })
  }

  override async check(request: Uint8Array): Promise<string> {
    if (this.isSlow) await new Promise<void>((done) => this.#waiting.push(done))
    return idOf(request)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  answer(): void {
    for (const done of this.#waiting.splice(0)) done()
  }
}

/** The desk of backup 3, and what it says to the core. */
class Desk {
  readonly clock = new VirtualClock()
  readonly machine = new SlowMachine()
  readonly pool: RequestPool
  /** As [view, isLate], or [view] of a suspicion. */
  readonly told: (readonly [bigint, boolean?])[] = []
  /** Errors of submissions. */
  readonly errors: unknown[] = []
  /** What was forwarded, each after to whom. */
  readonly sent: string[] = []
  /** Whose request was checked in vain, at its expense. */
  readonly charged: number[] = []
  /** Whose forwarded requests were refused, and why. */
  readonly refused: [number, unknown][] = []
  awaitsPrimary = false
  isBehind = false
  readonly core = {
    isBehind: () => this.isBehind,
    executedByOthers: 0n,
    timeoutFactor: 1,
    awaitsPrimary: () => this.awaitsPrimary,
  }
  readonly desk: RequestDesk

  constructor(options = resolveReplicaOptions(small), clientOf?: (request: Uint8Array) => string) {
    const pool = new RequestPool(options, clientOf)
    this.pool = pool
    const { clock, machine: stateMachine, told } = this
    const broadcaster = {
      forward: (to: number | 'all', { request }: Sized) => {
        this.sent.push(`${to} ${Buffer.from(request).toString()}`)
      },
      withdraw: () => undefined,
      flush: () => undefined,
      hasForwards: () => false,
    }
    const queue = createManager<{ readonly type: 'alarm' }>()
    queue.setReceiver(() => {
      this.desk.onAlarm()
      return undefined
    })
    void queue.start()
    const checker = new RequestChecker(stateMachine, { ...options, maxRemembered: 10 })
    this.desk = new RequestDesk(
      {
        ...{ pool, checker, stateMachine, clock, alarm: createTimer(clock, queue) },
        budgets: Object.assign(new SenderBudgets(clock, options, { flooding: () => undefined }), {
          checkedInVain: (from: number) => void this.charged.push(from),
        }),
        broadcaster,
        core: this.core,
        isHeldUp: () => false,
        onReady: () => undefined,
        post: (event) => {
          if (event.type === 'late') told.push([event.view, event.isLate])
          if (event.type === 'suspect') told.push([event.view])
        },
        onReject: (from, error) => void this.refused.push([from, error]),
      },
      options,
    )
    this.begin(0n)
  }

  begin(view: bigint): void {
    this.desk.onViewChanged({ view, primary: Number(view % 4n), active: true })
  }

  leaveFor(view: bigint): void {
    this.desk.onViewChanged({ view, primary: Number(view % 4n), active: false })
  }

  async forward(from: number, content: string): Promise<void> {
    await this.desk.admission.onForward(from, Buffer.from(content))
  }

  async submit(content: string): Promise<void> {
    this.desk.admission
      .submit(Buffer.from(content), {})
      .catch((error: unknown) => this.errors.push(error))
    await this.clock.advance(0)
  }
}

describe('RequestDesk', () => {
  describe('when a request of its id is there already', () => {
    it('charges nobody for what a client signed twice, and who brings two for the second', async () => {
      const at = new Desk()
      await at.forward(1, 'x#1')
      for (const from of [0, 2]) await at.forward(from, `x#from ${from}`)
      expect(at.charged).to.deep.equal([])
      for (const from of [0, 1, 2]) await at.forward(from, `x#more from ${from}`)
      expect(at.charged).to.deep.equal([0, 1, 2])
    })

    it('charges nobody for one that it checked once, as it came from several at once', async () => {
      const at = new Desk()
      at.machine.isSlow = true
      const forwards = [1, 1, 2, 2].map((from) => at.forward(from, 'x#1'))
      at.machine.answer()
      await Promise.all(forwards)
      expect(at.charged).to.deep.equal([])
    })

    it('charges nobody for one that was executed, and who brings two for the second', async () => {
      const at = new Desk()
      const executed = Buffer.from('x#1')
      const batch = Object.assign(RequestBatch.of([executed]), { ids: ['x'] })
      await at.machine.execute(1n, [executed])
      at.desk.onExecuted(1n, batch)
      for (const from of [1, 2, 1]) await at.forward(from, `x#${at.charged.length} from ${from}`)
      expect(at.charged, 'what is repeated is known').to.deep.equal([])
      await at.forward(1, 'x#more from 1')
      expect(at.charged).to.deep.equal([1])
    })

    it('charges for one that was executed long ago', async () => {
      const at = new Desk()
      await at.machine.execute(1n, [Buffer.from('x#1')])
      await at.forward(1, 'x#2')
      expect(at.charged).to.deep.equal([1])
    })
  })

  it('calls the primary late, and takes that back when the request was executed', async () => {
    const at = new Desk()
    await at.submit('a')
    await at.clock.advance(500)
    expect(at.told).to.deep.equal([[0n, true]])
    at.pool.remove(at.pool.oldest()!)
    at.desk.watchExecuted()
    expect(at.told.slice(1)).to.deep.equal([[0n, false]])
  })

  it('takes nothing for late that a state which was fetched contains, and answers for it', async () => {
    const at = new Desk()
    const submitted = at.desk.admission.submit(Buffer.from('a'), {})
    await at.submit('b')
    await at.clock.advance(500)
    expect(at.told).to.deep.equal([[0n, true]])
    await at.machine.execute(7n, [Buffer.from('a'), Buffer.from('b')])
    at.desk.onTransferred(7n)
    expect(await submitted).to.include({ sequence: 7n, executedBefore: true })
    expect(at.told.slice(1)).to.deep.equal([[0n, false]])
    expect(at.pool.size).to.equal(0)
  })

  it('calls no primary late for what was checked anew until the next view', async () => {
    const at = new Desk()
    await at.submit('a')
    at.machine.isSlow = true
    await at.clock.advance(500)
    expect(at.machine.waiting).to.equal(1)
    at.leaveFor(1n)
    at.begin(1n)
    at.told.length = 0
    at.machine.answer()
    await at.clock.advance(499)
    expect(at.told).to.deep.equal([])
    at.machine.isSlow = false
    await at.clock.advance(1)
    expect(at.told, 'its own time').to.deep.equal([[1n, true]])
  })

  it('calls no primary late for what was checked anew until it was timed anew', async () => {
    const at = new Desk()
    await at.submit('a')
    at.machine.isSlow = true
    await at.clock.advance(2_000)
    expect(at.told.splice(0)).to.deep.equal([[0n, false], [0n]])
    at.machine.answer()
    await at.clock.advance(0)
    expect(at.told).to.deep.equal([])
  })

  describe('a primary that orders its own, each just in time', () => {
    /** It has forwarded these before, and another's as if it were its own. */
    async function setup() {
      const at = new Desk()
      for (let i = 0; i < 5; i++) await at.forward(0, `own of the primary ${i}`)
      await at.forward(0, 'hidden')
      const order = async (): Promise<void> => {
        await at.clock.advance(499)
        at.pool.remove(at.pool.oldestOf(0)!)
        at.desk.watchExecuted()
      }
      return { at, order }
    }

    it('is suspected for what is submitted here', async () => {
      const { at, order } = await setup()
      await at.submit('hidden')
      for (let i = 0; i < 4; i++) await order()
      expect(at.told.splice(0)).to.deep.equal([[0n, true]])
      await at.clock.advance(4)
      expect(at.told).to.deep.equal([[0n, false], [0n]])
      expect(at.pool.usage(3).requests).to.equal(1)
    })

    it('is suspected for what another replica forwards as well', async () => {
      const { at, order } = await setup()
      await at.forward(1, 'hidden')
      expect(at.sent, 'it is asked for that').to.include('0 hidden')
      for (let i = 0; i < 4; i++) await order()
      await at.clock.advance(4)
      expect(at.told).to.deep.equal([[0n, true], [0n, false], [0n]])
    })

    it('is not suspected for its own that come later', async () => {
      const { at, order } = await setup()
      await at.forward(0, 'hidden')
      for (let i = 0; i < 5; i++) await order()
      expect(at.told).to.deep.equal([])
    })
  })

  it('has no room for more than maxPoolRequests, also of what others forwarded before', async () => {
    const at = new Desk()
    for (let i = 0; i < options.maxPoolRequests; i++) await at.submit(`own ${i}`)
    await at.forward(1, 'another’s')
    await at.submit('another’s')
    await at.clock.advance(0)
    expect(at.errors).to.have.nested.property('0.code', 'PBFT_POOL_FULL')
    expect(at.pool.usage(1).requests).to.equal(1)
  })

  it('refuses what another forwards beyond its room without an error for each', async () => {
    const at = new Desk()
    for (let i = 0; i < options.maxPoolRequests + 2; i++) await at.forward(1, `another’s ${i}`)
    expect(at.refused).to.deep.equal([
      [1, undefined],
      [1, undefined],
    ])
    await at.forward(1, 'another’s 0')
    expect(at.refused, 'what waits needs none').to.have.length(2)
  })

  it('refuses more of who has a share of the room on its way to the checks, and takes another’s', async () => {
    const at = new Desk()
    at.machine.isSlow = true
    const give = (content: string, givenBy: string): void =>
      void at.desk.admission
        .submit(Buffer.from(content), { givenBy })
        .catch((error: unknown) => at.errors.push(error))
    for (let i = 0; i <= options.maxPoolRequests / 2; i++) give(`greedy ${i}`, 'one')
    give('honest', 'another')
    await at.clock.advance(0)
    expect(at.errors).to.have.length(1)
    expect(at.errors).to.have.nested.property('0.code', 'PBFT_POOL_FULL')
    expect(at.machine.waiting).to.equal(options.maxPoolRequests / 2 + 1)
  })

  describe('when a client has its share of the room', () => {
    const full = async (): Promise<Desk> => {
      const at = new Desk(options, (request) => Buffer.from(request).toString().split(' ')[0]!)
      for (let i = 0; i < options.maxPoolRequests / 2; i++) await at.submit(`greedy ${i}`)
      return at
    }

    it('refuses another of it with a code, saying why, and takes one of another client', async () => {
      const at = await full()
      await at.submit('greedy again')
      await at.submit('honest')
      expect(at.errors).to.have.length(1)
      expect(at.errors).to.have.nested.property('0.code', 'PBFT_POOL_FULL')
      expect(at.errors)
        .to.have.nested.property('0.message')
        .that.includes('10 requests (80 bytes) of this client')
      expect(at.pool.get('honest')).not.to.equal(undefined)
    })

    it('refuses another of it that a replica has forwarded, and leaves it with that', async () => {
      const at = await full()
      await at.forward(1, 'greedy again')
      await at.submit('greedy again')
      expect(at.errors).to.have.nested.property('0.code', 'PBFT_POOL_FULL')
      expect(at.pool.usage(1).requests).to.equal(1)
    })

    it('waits for one that is pending already', async () => {
      const at = await full()
      await at.submit('greedy 0')
      expect(at.errors).to.deep.equal([])
    })

    it('takes what other replicas forward: their clients are theirs', async () => {
      const at = new Desk(options, () => 'one')
      for (let i = 0; i < options.maxPoolRequests; i++) await at.forward(1, `forwarded ${i}`)
      expect(at.pool.usage(1).requests).to.equal(options.maxPoolRequests)
    })
  })

  for (const [count, shared] of [
    [maxShared, maxShared],
    [maxShared + 1, maxShared],
  ] as const) {
    it(`shares ${shared} of ${count} requests with all when the primary is slow, and each that comes after`, async () => {
      const many = { maxPoolRequests: 2 * maxShared, forwardTimeoutMs: options.requestTimeoutMs }
      const at = new Desk(resolveReplicaOptions({ ...small, ...many }))
      const toAll = (): string[] => at.sent.filter((each) => each.startsWith('all '))
      at.awaitsPrimary = true
      for (let i = 0; i < count; i++) await at.submit(`own ${i}`)
      const { requestTimeoutMs } = options
      await at.clock.advance(requestTimeoutMs * (gracePart + 1 / 2) - 1)
      expect(toAll()).to.deep.equal([])
      await at.clock.advance(1)
      expect(toAll()).to.deep.equal([...Array(shared).keys()].map((i) => `all own ${i}`))
      await at.submit('after')
      expect(toAll().slice(shared)).to.deep.equal(['all after'])
    })
  }

  describe('with more bytes than may be on their way to the primary', () => {
    const names = ['a', 'b', 'c', 'd']
    const crowded = async (): Promise<Desk> => {
      const bounds = { pipelineDepth: 1, preferredBatchBytes: 2 }
      const at = new Desk(resolveReplicaOptions({ ...small, ...bounds }))
      for (const name of names) await at.submit(name)
      expect(at.sent.splice(0)).to.deep.equal(['0 a', '0 b'])
      return at
    }
    const batchOf = (...requests: string[]) =>
      RequestBatch.of(requests.map((each) => Buffer.from(each)))

    it('sends on when some have a number', async () => {
      const at = await crowded()
      at.desk.onAccepted(1n, batchOf('b', 'not here'))
      expect(at.sent).to.deep.equal(['0 c'])
    })

    it('sends on when some were executed', async () => {
      const at = await crowded()
      at.desk.onExecuted(1n, batchOf('a'))
      expect(at.sent).to.deep.equal(['0 c'])
    })

    it('sends a new primary the oldest first, and all in the end', async () => {
      const at = await crowded()
      at.leaveFor(1n)
      at.begin(1n)
      for (const name of names) at.desk.onExecuted(1n, batchOf(name))
      expect(at.sent).to.deep.equal(['1 a', '1 b', '1 c', '1 d'])
    })
  })

  it('passes on what is the oldest of another replica, once a view, and reminds the primary when it is late', async () => {
    const at = new Desk()
    at.leaveFor(4n)
    await at.forward(1, 'passed on')
    at.begin(4n)
    at.desk.watchExecuted()
    expect(at.sent).to.deep.equal(['0 passed on'])
    await at.clock.advance(500)
    expect(at.sent).to.deep.equal(['0 passed on', '0 passed on'])
    at.leaveFor(6n)
    at.begin(6n)
    expect(at.sent.slice(2)).to.deep.equal(['2 passed on'])
  })

  it('gives up what no primary orders, also when their views are left before its time is over', async () => {
    const at = new Desk()
    await at.submit('a')
    // This replica is the primary of view 3, and blames itself for nothing.
    for (const view of [0n, 1n, 2n, 3n]) {
      await at.clock.advance(600)
      expect(at.errors).to.deep.equal([])
      at.leaveFor(view + 1n)
      at.begin(view + 1n)
    }
    await at.clock.advance(499)
    at.leaveFor(5n)
    at.begin(5n)
    expect(at.errors, 'not late in view 4').to.deep.equal([])
    await at.clock.advance(600)
    at.leaveFor(6n)
    await at.clock.advance(0)
    expect(at.errors).to.have.nested.property('0.code', 'PBFT_REQUEST_ABANDONED')
    expect(at.pool.size).to.equal(0)
  })
})

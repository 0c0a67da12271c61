import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { decodeMessage, encodeStatement } from '../../src/wire/codec.ts'
import type { CheckpointStatement, Statement } from '../../src/core/messages.ts'
import { Encoder, encodeForward } from '../../src/wire/encoder.ts'
import { frameOf, maxFrameMessages } from '../../src/wire/frame.ts'
import { createReplica } from '../../src/index.ts'
import type { Replica, ReplicaNotification, ReplicaOptions } from '../../src/index.ts'
import { maxBacklog, maxPlain } from '../../src/in/backlog.ts'
import { checkCost, costOf } from '../../src/in/message-cost.ts'
import { messageLimits } from '../../src/wire/message-limits.ts'
import { largestFrameBytes, resolveReplicaOptions } from '../../src/options.ts'
import { ownBytes } from '../../src/wire/own-bytes.ts'
import { burstSeconds } from '../../src/in/sender-budgets.ts'
import { MemoryJournal, MemoryStateMachine, TestKeys } from '../../src/testing.ts'
import { batchOf } from '../support/cores.ts'
import { nextTurn } from '../support/turns.ts'

const keys = new TestKeys()
const limits = messageLimits(resolveReplicaOptions({ id: 0, n: 4 }))

/** Signed by replica 2. */
function signed(statement: Statement): Uint8Array {
  const body = encodeStatement(statement)
  const signature = keys.signer(2).sign(body) as Uint8Array
  return frameOf(new Encoder().message({ ...statement, proof: { body, signature } }))
}

const viewChange = (view: number): Uint8Array =>
  signed({
    ...{ type: 'view-change', view: BigInt(view), replica: 2, lowWatermark: 0n },
    ...{ stable: [], prepared: [], prePrepared: [] },
  })

const checkpointOf = (sequence: number): CheckpointStatement => ({
  ...{ type: 'checkpoint', sequence: BigInt(sequence), digest: 'ab'.repeat(32), replica: 2 },
})
const checkpoint = (sequence: number): Uint8Array => signed(checkpointOf(sequence))

const malformed = frameOf(Buffer.alloc(0))
const vote = frameOf(
  new Encoder().message({ type: 'prepare', view: 0n, sequence: 1n, digest: 'ab'.repeat(32) }),
)
const forward = (content: string): Buffer => frameOf(encodeForward(Buffer.from(content)))
const idOf = (request: Uint8Array): string => Buffer.from(request).toString().split('#')[0]!
const times = (count: number, frame: Uint8Array): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => frame))

/** Backup 1 of four, with what it was told to check. */
class Backup {
  readonly clock = new VirtualClock()
  readonly events: ReplicaNotification[] = []
  readonly checked: Uint8Array[] = []
  readonly replica: Replica

  /** Messages that found no room. */
  dropped = 0

  constructor(options: Partial<ReplicaOptions> = {}, isGood = true) {
    const stateMachine = Object.assign(new MemoryStateMachine({ idOf }), {
      check: (request: Uint8Array) => {
        this.checked.push(request)
        return isGood ? Promise.resolve(idOf(request)) : Promise.reject(new TypeError('no good'))
      },
    })
    const network = { send: () => Promise.resolve() }
    this.replica = createReplica(
      {
        ...{ network, stateMachine, verifier: keys, signer: keys.signer(1), clock: this.clock },
        metrics: {
          counter: ({ name }) => ({
            add: (count) => {
              if (name.endsWith('dropped_messages_total')) this.dropped += count
            },
          }),
          gauge: () => ({ set: () => undefined }),
          histogram: () => ({ observe: () => undefined }),
        },
        journal: new MemoryJournal(),
        onEvent: (event) => this.events.push(event),
      },
      { id: 1, n: 4, ...options },
    )
  }

  static async start(options: Partial<ReplicaOptions> = {}, isGood = true): Promise<Backup> {
    const backup = new Backup(options, isGood)
    await backup.replica.start()
    return backup
  }

  count(type: ReplicaNotification['type']): number {
    return this.events.filter((event) => event.type === type).length
  }
}

describe('Replica: floods', () => {
  it('hears no more of one that has much in the queue, until that is taken', async () => {
    const backup = await Backup.start()
    const { replica } = backup
    expect(replica.receive(2, times(maxBacklog.plain, vote))).to.equal(undefined)
    let isHeld = true
    void replica.receive(2, vote)?.then(() => (isHeld = false))
    expect(replica.receive(3, vote), 'another').to.equal(undefined)
    await Promise.resolve()
    expect(isHeld).to.equal(true)
    await nextTurn()
    expect(isHeld).to.equal(false)
    expect(replica.receive(2, vote)).to.equal(undefined)
    await replica.stop()
  })

  it('hears no more of one that has much to be verified in the queue, before that is charged', async () => {
    const { replica } = await Backup.start()
    const views = Array.from({ length: maxBacklog.sealed + 1 }, (_, at) => viewChange(at + 1))
    expect(replica.receive(2, Buffer.concat(views.slice(1)))).to.equal(undefined)
    expect(replica.receive(2, views[0]!)).to.be.instanceOf(Promise)
    expect(replica.receive(3, vote), 'another').to.equal(undefined)
    await nextTurn()
    expect(replica.receive(2, vote)).to.equal(undefined)
    await replica.stop()
  })

  it('drops what one sends beyond, though it is held back, and nothing that others send', async () => {
    const backup = await Backup.start()
    const { replica } = backup
    const most = Math.floor(maxPlain / maxFrameMessages)
    for (let frames = 0; frames < most; frames++)
      void replica.receive(2, times(maxFrameMessages, vote))
    void replica.receive(2, times(maxPlain - most * maxFrameMessages, vote))
    expect(backup.dropped).to.equal(0)
    for (let frames = 0; frames < 32; frames++)
      void replica.receive(2, times(maxFrameMessages, vote))
    expect(backup.dropped).to.equal(32 * maxFrameMessages)
    backup.dropped = 0
    void replica.receive(3, times(maxFrameMessages, vote))
    expect(backup.dropped, 'of another').to.equal(0)
    await replica.stop()
  })

  it('lets one that heeds being held back drop nothing, however fast it sends what it may', async () => {
    const backup = await Backup.start()
    const { replica } = backup
    for (let frames = 0; frames < 24; frames++) await replica.receive(2, times(4_096, vote))
    void replica.receive(3, times(2, vote))
    expect(backup.dropped).to.equal(0)
    await replica.stop()
  })

  it('holds back one that owes time and has much in the queue for as long as either', async () => {
    const { replica, clock } = await Backup.start({ maxMessagesPerSecond: 1 })
    const overdrawn = burstSeconds + 1
    const ended: string[] = []
    void replica
      .receive(2, times(maxBacklog.plain + overdrawn, vote))
      ?.then(() => ended.push('for both'))
    const owedMs = 1_000 * (maxBacklog.plain + overdrawn - burstSeconds)
    await clock.advance(owedMs - 1)
    expect(ended).to.deep.equal([])
    await clock.advance(1)
    expect(ended).to.deep.equal(['for both'])
    await replica.stop()
  })

  it('lets go of whoever it holds back when it stops', async () => {
    const { replica } = await Backup.start()
    const held = replica.receive(2, times(maxBacklog.plain + 1, vote))
    await replica.stop()
    await held
  })

  it('reads no further in a frame than the first message that is none', async () => {
    const { replica, events } = await Backup.start()
    const frame = Buffer.concat([vote, times(4_000, malformed), vote])
    expect(replica.receive(2, frame)).to.equal(undefined)
    const codes = events.flatMap((event) => (event.type === 'rejected' ? [event.code] : []))
    expect(codes).to.deep.equal(['PBFT_MALFORMED'])
    await replica.stop()
  })

  it('holds back whoever sends more than maxMessagesPerSecond, for as long as that takes', async () => {
    const { replica, clock } = await Backup.start({ maxMessagesPerSecond: 10 })
    expect(replica.receive(2, times(10 * burstSeconds, vote))).to.equal(undefined)
    expect(replica.receive(3, vote), 'another has a budget of its own').to.equal(undefined)
    let isHeld = true
    void replica.receive(2, times(10, vote))?.then(() => (isHeld = false))
    await clock.advance(999)
    expect(isHeld).to.equal(true)
    await clock.advance(1)
    expect(isHeld).to.equal(false)
    await replica.stop()
  })

  it('holds back whoever sends more than maxRejectionsPerSecond messages that are no good', async () => {
    const { replica } = await Backup.start({ maxRejectionsPerSecond: 1 })
    for (let i = 0; i < burstSeconds; i++) expect(replica.receive(2, malformed)).to.equal(undefined)
    expect(replica.receive(2, malformed)).to.be.instanceOf(Promise)
    await replica.stop()
  })

  it('holds back whoever costs more than maxCpuMsPerSecond', async () => {
    const { replica, clock } = await Backup.start({ maxCpuMsPerSecond: 1 })
    const body = encodeStatement(checkpointOf(10))
    const unsigned = { ...checkpointOf(10), proof: { body, signature: Buffer.alloc(0) } }
    const one = Buffer.from(new Encoder().message(unsigned))
    const cost = costOf(decodeMessage(one, limits), one.length) + checkCost
    const affordable = Math.floor((burstSeconds * 1_000) / cost)
    for (let sent = 0; sent < affordable; sent++) {
      expect(replica.receive(2, frameOf(one))).to.equal(undefined)
      await nextTurn()
    }
    void replica.receive(2, frameOf(one))
    await nextTurn()
    expect(replica.receive(2, vote), 'what comes then').to.be.instanceOf(Promise)
    await clock.advance(1)
    await replica.stop()
  })

  it('holds back whoever has more than maxSignaturesPerSecond verified', async () => {
    const { replica, clock } = await Backup.start({ maxSignaturesPerSecond: 1 })
    for (let view = 1; view <= burstSeconds; view++) {
      expect(replica.receive(2, viewChange(view))).to.equal(undefined)
      await nextTurn()
    }
    expect(replica.receive(2, viewChange(burstSeconds)), 'verified before').to.equal(undefined)
    await nextTurn()
    void replica.receive(2, viewChange(burstSeconds + 1))
    await nextTurn()
    expect(replica.receive(2, vote), 'what comes then').to.be.instanceOf(Promise)
    await clock.advance(1)
    await replica.stop()
  })

  it('lets a replica send the checkpoints that are due, each once, whatever they cost', async () => {
    const options = { maxSignaturesPerSecond: 1, checkpointPeriod: 1, logMultiplier: 40 }
    const { replica, clock } = await Backup.start(options)
    for (let sequence = 1; sequence <= 40 + burstSeconds; sequence++) {
      expect(replica.receive(2, checkpoint(sequence))).to.equal(undefined)
      await nextTurn()
    }
    void replica.receive(2, checkpoint(41 + burstSeconds))
    await nextTurn()
    expect(replica.receive(2, vote), 'what comes then').to.be.instanceOf(Promise)
    await clock.advance(1)
    await replica.stop()
  })

  it('lets one state of each number pass as due, also when they come at once', async () => {
    const { replica } = await Backup.start({ maxSignaturesPerSecond: 1, checkpointPeriod: 1 })
    const state = (at: number): Uint8Array =>
      signed({ ...checkpointOf(1), digest: at.toString(16).padStart(64, '0') })
    const send = async (first: number, count: number): Promise<void> => {
      const states = Array.from({ length: count }, (_, at) => state(first + at))
      expect(replica.receive(2, Buffer.concat(states))).to.equal(undefined)
      await nextTurn()
    }
    await send(0, 4)
    await send(4, burstSeconds - 3)
    await send(burstSeconds + 1, 1)
    expect(replica.receive(2, vote), 'what comes then').to.be.instanceOf(Promise)
    await replica.stop()
  })

  it('checks no more requests of a replica that sent too many bad ones, and those of others', async () => {
    const backup = await Backup.start({ maxRejectionsPerSecond: 1 }, false)
    const { replica, checked } = backup
    for (let i = 0; i <= burstSeconds; i++) {
      void replica.receive(2, frameOf(encodeForward(Buffer.from(`bad ${i}`))))
      await nextTurn()
    }
    expect(checked).to.have.length(burstSeconds + 1)
    void replica.receive(2, frameOf(encodeForward(Buffer.from('another'))))
    await nextTurn()
    expect(checked).to.have.length(burstSeconds + 1)
    void replica.receive(3, frameOf(encodeForward(Buffer.from('of 3'))))
    await nextTurn()
    expect(checked).to.have.length(burstSeconds + 2)
    await replica.stop()
  })

  it('checks no more requests of a replica that brings several of one id again and again', async () => {
    const { replica, checked } = await Backup.start({ maxCpuMsPerSecond: 1 })
    const burst = (1_000 * burstSeconds) / checkCost
    let held: unknown
    for (let i = 0; i < 2 * burst; i++) {
      void replica.receive(2, forward(`${i}#first`))
      void replica.receive(3, forward(`${i}#another`))
      held ??= replica.receive(3, forward(`${i}#one more`))
      await nextTurn()
    }
    expect(held).to.be.instanceOf(Promise)
    const contents = checked.map((request) => Buffer.from(request).toString())
    const countOf = (what: string): number => contents.filter((each) => each.endsWith(what)).length
    expect(countOf('first'), 'of another replica').to.equal(2 * burst)
    expect(countOf('one more')).to.be.within(burst / 2, burst)
    expect(countOf('another')).to.be.within(burst / 2, burst)
    await replica.stop()
  })

  it('tells once that a replica floods it: when it was held back for maxHeldMs, and goes on', async () => {
    const backup = await Backup.start({ maxMessagesPerSecond: 10, maxHeldMs: 3_000 })
    const { replica, clock } = backup
    const overspend = async (messages: number): Promise<void> => {
      void replica.receive(2, times(messages, vote))
      await clock.advance(messages * 100)
    }
    void replica.receive(2, times(10 * burstSeconds, vote))
    await overspend(29)
    expect(backup.count('flooding')).to.equal(0)
    await overspend(1)
    expect(backup.count('flooding')).to.equal(1)
    await overspend(30)
    expect(backup.count('flooding')).to.equal(1)
    await replica.stop()
  })

  it('holds nobody back when it has stopped, and leaves no timer', async () => {
    const { replica, clock } = await Backup.start({ maxRejectionsPerSecond: 1 })
    for (let i = 0; i < burstSeconds; i++) void replica.receive(2, malformed)
    const held = replica.receive(2, malformed)
    await replica.stop()
    await held
    expect(clock.pending).to.equal(0)
  })
})

describe('Replica: what keeps a frame alive', () => {
  const options = { batchSize: 2, maxBatchBytes: 100, maxRequestBytes: 50 }

  it('refuses a frame longer than a correct replica sends', async () => {
    const { replica, events } = await Backup.start(options)
    const most = largestFrameBytes({ n: 4, ...options })
    const fitting = Buffer.alloc(most - vote.length, 0x0a)
    void replica.receive(2, Buffer.concat([vote, fitting]))
    const [first] = events.filter((event) => event.type === 'rejected')
    expect(first).to.have.property('detail').that.does.not.contain(`${most} bytes`)
    void replica.receive(2, Buffer.concat([vote, fitting, Buffer.alloc(1)]))
    expect(events.at(-1)).to.have.property('detail', `a frame of ${most + 1} bytes`)
    await replica.stop()
  })

  it('keeps an accepted request apart from a frame that it fills less than half of', async () => {
    const { replica, checked } = await Backup.start()
    const message = { type: 'pre-prepare', view: 0n, sequence: 1n, batch: batchOf('a') } as const
    const proposal = frameOf(new Encoder().message(message))
    const frame = Buffer.concat([proposal, frameOf(Buffer.alloc(500_000, 0x7a))])
    void replica.receive(0, frame)
    await nextTurn()
    expect(checked).to.have.length(1)
    expect(checked[0]?.buffer.byteLength).to.be.lessThan(proposal.length)
    await replica.stop()
  })

  it('keeps a forwarded request apart from the frame that it came in', async () => {
    const { replica, checked } = await Backup.start()
    const forward = frameOf(encodeForward(Buffer.from('a')))
    void replica.receive(2, Buffer.concat([forward, frameOf(Buffer.alloc(500_000, 0x7a))]))
    await nextTurn()
    expect(checked).to.have.length(1)
    expect(checked[0]?.buffer.byteLength).to.equal(1)
    await replica.stop()
  })

  it('copies what fills less than half of its buffer, and nothing else', () => {
    const buffer = Buffer.allocUnsafeSlow(1_000)
    expect(ownBytes(buffer.subarray(0, 500)).buffer).to.equal(buffer.buffer)
    const copy = ownBytes(buffer.subarray(1, 500))
    expect(copy.buffer).to.not.equal(buffer.buffer)
    expect(copy.equals(buffer.subarray(1, 500))).to.equal(true)
    expect(copy.buffer.byteLength).to.equal(499)
  })
})

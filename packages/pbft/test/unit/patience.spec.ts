import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { Encoder } from '../../src/wire/encoder.ts'
import { frameOf } from '../../src/wire/frame.ts'
import { createReplica } from '../../src/index.ts'
import type { Replica } from '../../src/index.ts'
import type { Message, SignedStatement, Statement } from '../../src/core/messages.ts'
import { encodeStatement } from '../../src/wire/codec.ts'
import { MemoryJournal, MemoryStateMachine, TestKeys } from '../../src/testing.ts'
import { batchOf, claim } from '../support/cores.ts'
import { echoing } from '../support/echoing.ts'
import { nextTurn } from '../support/turns.ts'

const keys = new TestKeys()

function signedBy(statement: Statement, by: number): SignedStatement {
  const body = encodeStatement(statement)
  const signature = keys.signer(by).sign(body) as Uint8Array
  return { ...statement, proof: { body, signature } }
}

const viewChange = (replica: number, view: bigint) =>
  signedBy(
    {
      ...({ type: 'view-change', view, replica, lowWatermark: 0n } as const),
      ...{ stable: [], prepared: [], prePrepared: [] },
    },
    replica,
  )

/** Replica 3 of four; when it left views, by the clock. */
async function setup() {
  const clock = new VirtualClock()
  const left: { at: number; view: bigint }[] = []
  const replica: Replica = createReplica(
    {
      network: echoing({ send: () => Promise.resolve() }, () => replica),
      ...{ journal: new MemoryJournal(), stateMachine: new MemoryStateMachine() },
      ...{ signer: keys.signer(3), verifier: keys, clock },
      onEvent: (event) => {
        if (event.type !== 'viewChanged' || event.active) return
        left.push({ at: clock.now(), view: event.view })
      },
    },
    { id: 3, n: 4, requestTimeoutMs: 1_000, statusIntervalMs: 60_000 },
  )
  await replica.start()
  await nextTurn()
  const hear = async (from: number, message: Message): Promise<void> => {
    replica.receive(from, frameOf(new Encoder().message(message)))
    await nextTurn()
  }
  /** The others order and execute a batch with one request of this name. */
  const order = async (sequence: bigint, name: string): Promise<void> => {
    const batch = batchOf(name)
    await hear(0, { type: 'pre-prepare', view: 0n, sequence, batch })
    for (const from of [0, 1, 2]) await hear(from, { type: 'commit', ...claim(sequence, batch) })
    expect(replica.status().lastExecuted).to.equal(sequence)
  }
  const submit = (name: string): void =>
    void replica.submit(Buffer.from(name)).catch(() => undefined)
  return { replica, clock, left, hear, order, submit }
}

describe('the patience of a replica', () => {
  it('begins anew for the next request when the oldest was executed, and ends then', async () => {
    const { replica, clock, left, order, submit } = await setup()
    for (const name of ['a', 'b']) submit(name)
    await nextTurn()
    await clock.advance(100)
    await order(1n, 'a')
    await clock.advance(999)
    expect(left).to.deep.equal([])
    await clock.advance(1)
    expect(left).to.deep.equal([{ at: 1_100, view: 1n }])
    await replica.stop()
  })

  it('doubles with a view change that brought no progress', async () => {
    const { replica, clock, left, hear, submit } = await setup()
    submit('a')
    await nextTurn()
    await clock.advance(1_000)
    const begin = async (view: bigint): Promise<void> => {
      const viewChanges = [0, 1, 2].map((id) => viewChange(id, view)) as never
      await hear(
        Number(view % 4n),
        signedBy({ type: 'new-view', view, viewChanges }, Number(view % 4n)),
      )
      expect(replica.status()).to.include({ view, activeView: true })
    }
    await begin(1n)
    await clock.advance(1_000)
    await begin(2n)
    await clock.advance(1_999)
    expect(left.map(({ view }) => view)).to.deep.equal([1n, 2n])
    await clock.advance(1)
    expect(left.at(-1)).to.deep.equal({ at: 4_000, view: 3n })
    await replica.stop()
  })
})

import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { encodeStatement } from '../../src/wire/codec.ts'
import { Encoder } from '../../src/wire/encoder.ts'
import { frameOf } from '../../src/wire/frame.ts'
import { createReplica } from '../../src/index.ts'
import type { Replica, ReplicaOptions, TransferOptions, TransferTarget } from '../../src/index.ts'
import { unheard } from '../support/cores.ts'
import { echoing } from '../support/echoing.ts'
import { MemoryJournal, MemoryStateMachine, TestKeys } from '../../src/testing.ts'
import { nextTurn } from '../support/turns.ts'

const keys = new TestKeys()

/** Proof of a stable checkpoint. */
function stableAt(sequence: bigint): Uint8Array {
  const checkpoints = [0, 2, 3].map((id) => {
    const statement = { type: 'checkpoint', sequence, digest: 'aa', replica: id } as const
    const body = encodeStatement(statement)
    return { ...statement, proof: { body, signature: keys.signer(id).sign(body) as Uint8Array } }
  })
  return frameOf(new Encoder().message({ type: 'certificate', checkpoints }))
}

/** The status of a replica that executed so far. */
function statusAt(lastExecuted: bigint): Uint8Array {
  return frameOf(
    new Encoder().message({
      ...{ type: 'status', view: 0n, active: true, lastExecuted, lowWatermark: 0n },
      ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
      ...unheard,
    }),
  )
}

/** Replica 1 of four, whose transfers end only when they are aborted; it lacks up to 20. */
async function transferring(options: Partial<ReplicaOptions> = {}) {
  const clock = new VirtualClock()
  const targets: TransferTarget[] = []
  const reasons: unknown[] = []
  const stateMachine = Object.assign(new MemoryStateMachine(), {
    transfer: (target: TransferTarget, { signal }: TransferOptions) => {
      targets.push(target)
      return new Promise<never>((_, reject) =>
        signal?.addEventListener('abort', () => {
          reasons.push((signal.reason as { code?: unknown }).code)
          reject(signal.reason as Error)
        }),
      )
    },
  })
  const replica: Replica = createReplica(
    {
      network: echoing({ send: () => Promise.resolve() }, () => replica),
      ...{ journal: new MemoryJournal(), stateMachine, clock },
      ...{ signer: keys.signer(1), verifier: keys },
    },
    { id: 1, n: 4, ...options },
  )
  await replica.start()
  replica.receive(0, stableAt(20n))
  await nextTurn()
  expect(replica.status().transferring).to.equal(true)
  const submit = (name: string): void =>
    void replica.submit(Buffer.from(name)).catch(() => undefined)
  return { replica, clock, targets, reasons, submit }
}

describe('Replica: state transfer', () => {
  it('blames no primary while the others, whose state it fetches, go on executing', async () => {
    const { replica, clock, submit } = await transferring()
    submit('a')
    for (let sequence = 21n; sequence < 31n; sequence++) {
      for (const from of [2, 3]) replica.receive(from, statusAt(sequence))
      await clock.advance(1_000)
    }
    expect(replica.status()).to.include({ view: 0n, activeView: true, transferring: true })
    await replica.stop()
  })

  it('blames the primary when the others stand still as well, whatever one of them says', async () => {
    const { replica, clock, submit } = await transferring()
    submit('a')
    for (let second = 0; second < 2; second++) {
      for (const from of [2, 3]) replica.receive(from, statusAt(20n))
      replica.receive(0, statusAt(BigInt(1_000 + second)))
      await clock.advance(999)
      expect(replica.status().activeView, `in second ${second}`).to.equal(true)
      await clock.advance(1)
    }
    expect(replica.status()).to.include({ view: 1n, activeView: false, transferring: true })
    await replica.stop()
  })

  it('blames nobody before the others had two status intervals to say what they executed', async () => {
    const { replica, clock, submit } = await transferring({ statusIntervalMs: 3_000 })
    submit('a')
    await clock.advance(5_999)
    expect(replica.status().activeView).to.equal(true)
    await clock.advance(1)
    expect(replica.status().activeView).to.equal(false)
    await replica.stop()
  })

  it('is cut off after transferTimeoutMs, and tried again with another replica first', async () => {
    const at = await transferring({ transferTimeoutMs: 5_000 })
    const { replica, clock, targets, reasons } = at
    await clock.advance(4_999)
    expect([targets.length, reasons]).to.deep.equal([1, []])
    await clock.advance(1)
    expect(reasons).to.deep.equal(['PBFT_TRANSFER_TIMEOUT'])
    await clock.advance(15_000)
    const firsts = targets.slice(0, 3).map(({ replicas }) => replicas[0])
    expect(firsts).to.have.members([0, 2, 3])
    for (const { replicas } of targets) expect(replicas).to.have.members([0, 2, 3])
    await replica.stop()
  })

  it('is cut off by a stop', async () => {
    const { replica, clock, reasons } = await transferring()
    await replica.stop()
    expect(reasons).to.have.length(1)
    expect(reasons).to.not.include('PBFT_TRANSFER_TIMEOUT')
    expect(clock.pending, 'timers').to.equal(0)
  })
})

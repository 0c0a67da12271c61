import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { decodeMessage } from '../../../src/wire/codec.ts'
import type { Status } from '../../../src/core/messages.ts'
import { maxClaims } from '../../../src/core/state.ts'
import { earlierDigests } from '../../../src/out/earlier-digests.ts'
import { Encoder } from '../../../src/wire/encoder.ts'
import { decodeFrame, frameOf } from '../../../src/wire/frame.ts'
import { createReplica } from '../../../src/index.ts'
import { MemoryJournal, MemoryStateMachine, TestKeys } from '../../../src/testing.ts'
import { nextTurn } from '../../support/turns.ts'
import { unheard } from '../../support/cores.ts'

/** A state machine that executed so far, and the digests of its states: of number n at n. */
async function machineAt(sequence: number): Promise<[MemoryStateMachine, string[]]> {
  const machine = new MemoryStateMachine()
  const digests = ['']
  for (let at = 1; at <= sequence; at++)
    digests.push(Buffer.from(await machine.execute(BigInt(at), [])).toString('hex'))
  return [machine, digests]
}

describe('earlierDigests', () => {
  it('are those before the last one, the latest first, above the low watermark', async () => {
    const [machine, digests] = await machineAt(5)
    expect(await earlierDigests(machine, 5n, 0n)).to.deep.equal(digests.slice(1, 5).reverse())
    expect(await earlierDigests(machine, 5n, 2n)).to.deep.equal(digests.slice(3, 5).reverse())
    expect(await earlierDigests(machine, 5n, 4n)).to.deep.equal([])
    expect(await earlierDigests(machine, 5n, 40n)).to.deep.equal([])
  })

  it('are no more than a replica tells', async () => {
    const [machine, digests] = await machineAt(maxClaims + 1)
    const told = await earlierDigests(machine, BigInt(maxClaims) + 1n, 0n)
    expect(told).to.deep.equal(digests.slice(2, maxClaims + 1).reverse())
    expect(told).to.have.length(maxClaims - 1)
  })

  it('are cut where the state machine tells more than it was asked for', async () => {
    const [machine, digests] = await machineAt(5)
    const generous = Object.assign(machine, {
      earlierDigests: () =>
        Promise.resolve(
          digests
            .slice(1, 5)
            .reverse()
            .map((digest) => Buffer.from(digest, 'hex')),
        ),
    })
    expect(await earlierDigests(generous, 5n, 2n)).to.deep.equal(digests.slice(3, 5).reverse())
  })

  it('are none of a state machine that tells nothing', async () => {
    const [machine] = await machineAt(5)
    Object.assign(machine, { earlierDigests: undefined })
    expect(await earlierDigests(machine, 5n, 0n)).to.deep.equal([])
  })
})

/** Replica 1 of four over `stateMachine`, and the digests that it told in its last status. */
function replicaOver(stateMachine: MemoryStateMachine) {
  const [clock, keys] = [new VirtualClock(), new TestKeys()]
  const told: { digests: readonly string[] } = { digests: [] }
  const network = {
    send: (_to: number, frame: Uint8Array) => {
      for (const bytes of decodeFrame(frame)) {
        const incoming = decodeMessage(bytes)
        if (incoming.type === 'plain' && incoming.message.type === 'status')
          told.digests = incoming.message.digests
      }
      return Promise.resolve()
    },
  }
  const replica = createReplica(
    {
      network,
      journal: new MemoryJournal(),
      signer: keys.signer(1),
      verifier: keys,
      clock,
      stateMachine,
    },
    { id: 1, n: 4 },
  )
  const hear = (from: number, lastExecuted: bigint, digests: readonly string[]): void => {
    const message: Status = {
      ...{ type: 'status', view: 0n, active: true, lastExecuted, lowWatermark: 0n },
      ...{ viewChanges: [], slots: [], digests, query: 0n, reply: 0n },
      ...unheard,
    }
    replica.receive(from, frameOf(new Encoder().message(message)))
  }
  return { replica, clock, told, hear }
}

describe('Replica: claims about earlier states', () => {
  it('are told from its start on, and after a transfer, when another is behind', async () => {
    const [ahead, digests] = await machineAt(6)
    const stateMachine = new MemoryStateMachine({ source: () => ahead })
    for (let at = 1n; at <= 3n; at++) await stateMachine.execute(at, [])
    const { replica, clock, told, hear } = replicaOver(stateMachine)
    await replica.start()
    hear(3, 0n, [])
    await clock.advance(1_000)
    expect(told.digests).to.deep.equal(digests.slice(1, 4).reverse())
    for (const from of [0, 2]) hear(from, 6n, [digests[6]!])
    await clock.advance(5_000)
    await nextTurn()
    expect(replica.status().lastExecuted).to.equal(6n)
    await clock.advance(1_000)
    expect(told.digests).to.deep.equal(digests.slice(1).reverse())
    await replica.stop()
  })

  it('keep a replica from starting when its state machine cannot read them', async () => {
    const [stateMachine] = await machineAt(3)
    const broken = Object.assign(stateMachine, {
      earlierDigests: () => Promise.reject(new TypeError('unreadable')),
    })
    const { replica } = replicaOver(broken)
    const error: unknown = await replica.start().catch((reason: unknown) => reason)
    expect(error).to.have.property('message', 'unreadable')
    expect(replica.state).to.equal('idle')
  })
})

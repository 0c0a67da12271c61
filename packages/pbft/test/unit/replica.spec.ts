import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { createReplica } from '../../src/index.ts'
import type {
  Replica,
  ReplicaDependencies,
  ReplicaNotification,
  ReplicaOptions,
  Verifier,
} from '../../src/index.ts'
import type {
  Checkpoint,
  Message,
  NewView,
  Statement,
  ViewChange,
} from '../../src/core/messages.ts'
import { batchOf } from '../support/cores.ts'
import { Encoder, encodeForward } from '../../src/wire/encoder.ts'
import { decodeMessage, encodeStatement } from '../../src/wire/codec.ts'
import { decodeFrame, frameOf } from '../../src/wire/frame.ts'
import { Cluster, MemoryJournal, MemoryStateMachine, TestKeys } from '../../src/testing.ts'
import { maxVerifying } from '../../src/in/inbox.ts'
import { maxChecking } from '../../src/requests/intake.ts'
import { maxRelayed } from '../../src/requests/forwarding.ts'
import { echoing } from '../support/echoing.ts'
import { nextTurn } from '../support/turns.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** A replica with memory ports, alone or with peers that say nothing; events are kept. */
function setup(options: Partial<ReplicaOptions> = {}, deps: Partial<ReplicaDependencies> = {}) {
  const clock = new VirtualClock()
  const keys = new TestKeys()
  const machine = new MemoryStateMachine()
  const events: ReplicaNotification[] = []
  const sent: number[] = []
  const network = {
    send: (to: number) => {
      sent.push(to)
      return Promise.resolve()
    },
  }
  const replica: Replica = createReplica(
    {
      network: echoing(network, () => replica),
      ...{
        journal: new MemoryJournal(),
        stateMachine: machine,
        signer: keys.signer(0),
        verifier: keys,
        clock,
      },
      onEvent: (event) => events.push(event),
      ...deps,
    },
    { id: 0, n: 1, ...options },
  )
  const codes = () => events.flatMap((e) => (e.type === 'rejected' ? [e.code] : []))
  return { replica, clock, machine, events, codes, sent }
}

/** A frame with the proof of a stable checkpoint. */
function stableAt(sequence: bigint): Uint8Array {
  const keys = new TestKeys()
  const checkpoints = [0, 2, 3].map((id) => {
    const statement = { type: 'checkpoint', sequence, digest: 'aa', replica: id } as const
    const body = encodeStatement(statement)
    return { ...statement, proof: { body, signature: keys.signer(id).sign(body) as Uint8Array } }
  })
  return frameOf(new Encoder().message({ type: 'certificate', checkpoints }))
}

describe('Replica: life', () => {
  it('does nothing before start, and leaves no timer after stop', async () => {
    const { replica, clock, sent } = setup({ n: 4 })
    expect(replica.state).to.equal('idle')
    expect(clock.pending).to.equal(0)
    await replica.start()
    await nextTurn()
    expect(sent, 'its status').to.deep.equal([1, 2, 3])
    await replica.stop()
    expect(clock.pending).to.equal(0)
    expect(replica.state).to.equal('stopped')
    expect(await replica.closed).to.equal(undefined)
  })

  it('starts and stops once, however often it is told to', async () => {
    const { replica } = setup()
    await Promise.all([replica.start(), replica.start()])
    await Promise.all([replica.stop(), replica.stop()])
    expect(await rejection(replica.start())).to.have.property('code', 'PBFT_STOPPED')
  })

  it('stops without ever having started', async () => {
    const { replica } = setup()
    await replica.stop()
    expect(replica.state).to.equal('stopped')
  })

  it('stays stopped when it is stopped while it starts', async () => {
    const { replica } = setup()
    const started = rejection(replica.start())
    await replica.stop()
    expect(await started).to.have.property('code', 'PBFT_STOPPED')
    expect(replica.state).to.equal('stopped')
  })

  it('is idle again after a start that failed, and can be started', async () => {
    const journal = new MemoryJournal()
    await journal.append([bytes('no record')])
    const { replica } = setup({}, { journal })
    expect(await rejection(replica.start())).to.have.property('code', 'PBFT_MALFORMED')
    expect(replica.state).to.equal('idle')
    await journal.rewrite([])
    await replica.start()
    expect(replica.state).to.equal('started')
    await replica.stop()
  })

  it('stops with the reason when its journal fails, and sends nothing more', async () => {
    const journal = Object.assign(new MemoryJournal(), {
      append: () => Promise.reject(new TypeError('disk full')),
    })
    const { replica, events, sent } = setup({ n: 4 }, { journal })
    await replica.start()
    await nextTurn()
    const before = sent.length
    const outcome = rejection(replica.submit(bytes('a')))
    expect(await outcome).to.have.property('code', 'PBFT_STOPPED')
    expect(await replica.closed).to.have.property('code', 'PBFT_JOURNAL_FAILED')
    expect(events.at(-1)).to.have.property('type', 'failed')
    expect(sent.length).to.equal(before)
  })

  it('stops with the reason when its state machine fails', async () => {
    const { replica } = setup(
      {},
      {
        stateMachine: Object.assign(new MemoryStateMachine(), {
          execute: () => Promise.reject(new TypeError('corrupt')),
        }),
      },
    )
    await replica.start()
    expect(await rejection(replica.submit(bytes('a')))).to.have.property('code', 'PBFT_STOPPED')
    expect(await replica.closed).to.have.property('code', 'PBFT_EXECUTION_FAILED')
  })

  it('stops with the reason when its signer fails', async () => {
    const signer = { sign: () => Promise.reject(new TypeError('no key')) }
    const { replica } = setup({ checkpointPeriod: 1 }, { signer })
    await replica.start()
    await replica.submit(bytes('a'))
    expect(await replica.closed).to.have.property('code', 'PBFT_EXECUTION_FAILED')
  })

  it('survives an onEvent that throws', async () => {
    const onEvent = () => {
      throw new TypeError('listener')
    }
    const { replica } = setup({}, { onEvent })
    await replica.start()
    expect((await replica.submit(bytes('a'))).sequence).to.equal(1n)
    await replica.stop()
  })
})

describe('Replica: submit', () => {
  it('resolves when executed, with the id and the sequence number', async () => {
    const { replica, machine } = setup()
    await replica.start()
    const { id, sequence } = await replica.submit(bytes('a'))
    expect(machine.isExecuted(id)).to.equal(true)
    expect(sequence).to.equal(1n)
    await replica.stop()
  })

  it('resolves at once for what was executed, and joins what is pending', async () => {
    const { replica, machine } = setup()
    await replica.start()
    const [one, two] = await Promise.all([replica.submit(bytes('a')), replica.submit(bytes('a'))])
    expect(one).to.deep.equal(two)
    expect((await replica.submit(bytes('a'))).id).to.equal(one.id)
    expect(machine.executedIds).to.deep.equal([one.id])
    await replica.stop()
  })

  it('keeps its own copy of the request', async () => {
    const { replica, machine } = setup()
    await replica.start()
    const request = bytes('a')
    const submitted = replica.submit(request)
    request[0] = 0
    await submitted
    expect(Buffer.from(machine.history[0]!.requests[0]!).toString()).to.equal('a')
    await replica.stop()
  })

  it('rejects with what check rejects with, and with codes for what is too large or too many', async () => {
    const { replica } = setup({ n: 4, id: 0, maxRequestBytes: 10, maxPoolRequests: 2 })
    await replica.start()
    expect(await rejection(replica.submit(bytes('')))).to.have.property(
      'code',
      'TEST_INVALID_REQUEST',
    )
    expect(await rejection(replica.submit(bytes('12345678901')))).to.have.property(
      'code',
      'PBFT_REQUEST_TOO_LARGE',
    )
    const pending = [rejection(replica.submit(bytes('a'))), rejection(replica.submit(bytes('b')))]
    expect(await rejection(replica.submit(bytes('c')))).to.have.property('code', 'PBFT_POOL_FULL')
    await nextTurn()
    expect(replica.status().pendingRequests).to.equal(2)
    pending.push(rejection(replica.submit(bytes('a')))) // joins, though the pool is full
    await replica.stop()
    for (const error of await Promise.all(pending))
      expect(error).to.have.property('code', 'PBFT_STOPPED')
  })

  it('rejects with the signal’s reason, untouched', async () => {
    const { replica } = setup({ n: 4 })
    await replica.start()
    const reason = new TypeError('enough')
    const abort = new AbortController()
    const outcome = rejection(replica.submit(bytes('a'), { signal: abort.signal }))
    await nextTurn()
    abort.abort(reason)
    expect(await outcome).to.equal(reason)
    expect(await rejection(replica.submit(bytes('b'), { signal: abort.signal }))).to.equal(reason)
    await replica.stop()
  })

  it('is refused before start', async () => {
    expect(await rejection(setup().replica.submit(bytes('a')))).to.have.property(
      'code',
      'PBFT_STOPPED',
    )
  })

  it('abandons a request that the primaries of N views left out, with a code', async () => {
    const cluster = new Cluster({
      seed: 1,
      replica: { requestTimeoutMs: 200, viewChangeTimeoutMs: 200 },
    })
    await cluster.start()
    // No proposal with it ever arrives, whoever makes it.
    const isProposal = (message: Buffer) => decodeMessage(message).type === 'pre-prepare'
    cluster.network.filter = (_from, _to, frame) => !decodeFrame(frame).some(isProposal)
    const [submission] = [3, 0, 1, 2].map((id) => cluster.submit(id, 'victim'))
    await cluster.run(60_000)
    expect(submission!.outcome).to.equal('failed')
    expect(submission!.error).to.have.property('code', 'PBFT_REQUEST_ABANDONED')
    await cluster.stop()
  })

  it('gives up a request that is good no more, rather than blame every primary for it', async () => {
    let isValid = true
    const machine = new MemoryStateMachine({ isValid: () => isValid })
    const { replica, clock } = setup({ n: 4, id: 1 }, { stateMachine: machine })
    await replica.start()
    const outcome = rejection(replica.submit(bytes('a')))
    await nextTurn()
    isValid = false
    await clock.advance(1_000)
    expect(await outcome).to.have.property('code', 'TEST_INVALID_REQUEST')
    await clock.advance(10_000)
    expect(replica.status()).to.include({ view: 0n, activeView: true })
    await replica.stop()
  })
})

describe('Replica: other requests with the same id', () => {
  const idOf = (request: Uint8Array): string => Buffer.from(request).toString().split('#')[0]!

  it('wait with the one that was first, and are refused when that was executed', async () => {
    const stateMachine = new MemoryStateMachine({ idOf })
    const { replica } = setup({}, { stateMachine })
    await replica.start()
    const first = replica.submit(bytes('x#1'))
    const other = await rejection(replica.submit(bytes('x#2')))
    expect(other).to.include({ code: 'PBFT_DUPLICATE_ID' })
    expect((other as Error).message).to.include('the id x ')
    expect(await first).to.deep.equal({ id: 'x', sequence: 1n, executedBefore: false })
    for (const name of ['x#1', 'x#2'])
      expect(await replica.submit(bytes(name))).to.include({ id: 'x', executedBefore: true })
    expect(stateMachine.executedIds).to.deep.equal(['x'])
    await replica.stop()
  })

  for (let seed = 1; seed <= 5; seed++) {
    it(`are not answered as executed, whichever replicas they were given to (seed ${seed})`, async () => {
      const cluster = new Cluster({ seed, idOf, replica: { batchSize: 2 } })
      await cluster.start()
      const submissions = [0, 1, 2, 3, 1, 2].map((to, i) => cluster.submit(to, `x#${i % 4}`))
      await cluster.runUntilLevel(20_000)
      for (const to of [0, 1, 2, 3])
        for (let i = 0; i < 4; i++) submissions.push(cluster.submit(to, `x#${i}`))
      await cluster.runUntilLevel(20_000)
      const executed = Buffer.from(cluster.machine(0).requestOf('x')!).toString()
      for (const { request, outcome, to } of submissions) {
        const name = Buffer.from(request).toString()
        expect(outcome, `${name} at ${to}`).to.equal(name === executed ? 'executed' : 'failed')
      }
      await cluster.stop()
    })
  }

  for (const [what, isRestarted] of [
    ['in a batch that it checked', false],
    ['in a batch whose ids it never asked for', true],
  ] as const) {
    it(`are told from one ${what}`, async () => {
      const stateMachine = new MemoryStateMachine({ idOf })
      const journal = new MemoryJournal()
      const batch = batchOf('x#1')
      const vote = { view: 0n, sequence: 1n, digest: batch.digest }
      const start = async () => {
        const { replica } = setup({ n: 4, id: 1 }, { stateMachine, journal })
        await replica.start()
        return replica
      }
      let replica = await start()
      replica.receive(0, frameOf(new Encoder().message({ type: 'pre-prepare', ...vote, batch })))
      await nextTurn()
      if (isRestarted) {
        await replica.stop()
        replica = await start()
      }
      const outcome = replica.submit(bytes('x#2')).catch((error: unknown) => error)
      await nextTurn()
      for (const from of [0, 2, 3])
        replica.receive(from, frameOf(new Encoder().message({ type: 'commit', ...vote })))
      await nextTurn(5)
      expect(stateMachine.executedIds).to.deep.equal(['x'])
      expect(replica.status().pendingRequests).to.equal(0)
      expect(await outcome).to.include(
        isRestarted ? { id: 'x', executedBefore: true } : { code: 'PBFT_DUPLICATE_ID' },
      )
      await replica.stop()
    })
  }
})

describe('Replica: what peers send', () => {
  it('counts garbage and strangers, and goes on', async () => {
    const { replica, codes } = setup({ n: 4 })
    await replica.start()
    for (const length of [1, 2, 100]) replica.receive(1, Buffer.alloc(length, 0x5a))
    replica.receive(1, frameOf(Buffer.from([0xff])))
    for (const from of [0, 4, -1, Number.NaN]) replica.receive(from, bytes('x'))
    await nextTurn()
    expect(codes().filter((code) => code === 'PBFT_MALFORMED')).to.have.length(4)
    expect(codes().filter((code) => code === 'PBFT_UNKNOWN_REPLICA')).to.have.length(4)
    expect(replica.state).to.equal('started')
    await replica.stop()
  })

  it('prepares no batch with an invalid request in it', async () => {
    const { replica, codes, sent } = setup({ n: 4, id: 1 })
    await replica.start()
    await nextTurn()
    const before = sent.length
    const message = {
      type: 'pre-prepare',
      view: 0n,
      sequence: 1n,
      batch: batchOf('good', ''),
    } as const
    replica.receive(0, frameOf(new Encoder().message(message)))
    await nextTurn()
    expect(codes()).to.deep.equal(['PBFT_INVALID_BATCH'])
    expect(sent.length).to.equal(before)
    await replica.stop()
  })

  it('judges what others propose without what only its own clients must keep to', async () => {
    const machine = new MemoryStateMachine({ isValid: (_, purpose) => purpose === 'proposal' })
    const { replica, codes, sent } = setup({ n: 4, id: 1 }, { stateMachine: machine })
    await replica.start()
    await nextTurn()
    const before = sent.length
    expect(await rejection(replica.submit(bytes('own')))).to.have.property('code')
    replica.receive(2, frameOf(encodeForward(bytes('late'))))
    await nextTurn()
    expect(replica.status().pendingRequests).to.equal(1)
    const batch = batchOf('later', 'own')
    const message = { type: 'pre-prepare', view: 0n, sequence: 1n, batch } as const
    replica.receive(0, frameOf(new Encoder().message(message)))
    await nextTurn()
    expect(codes()).to.deep.equal([])
    expect(sent.slice(before), 'forwarded, then prepared').to.deep.equal([0, 0, 2, 3])
    await replica.stop()
  })

  it('prepares no batch that has a request three times', async () => {
    const { replica, codes } = setup({ n: 4, id: 1 })
    await replica.start()
    const message = {
      type: 'pre-prepare',
      view: 0n,
      sequence: 1n,
      batch: batchOf('a', 'a', 'a'),
    } as const
    replica.receive(0, frameOf(new Encoder().message(message)))
    await nextTurn()
    expect(codes()).to.deep.equal(['PBFT_INVALID_BATCH'])
    await replica.stop()
  })

  it('checks nothing that it would refuse anyway', async () => {
    const { replica, machine } = setup({ n: 4, id: 1 })
    await replica.start()
    for (const [from, view, sequence] of [
      [2, 0n, 1n],
      [0, 0n, 1_000n],
      [0, 1n, 1n],
    ] as const) {
      const message = { type: 'pre-prepare', view, sequence, batch: batchOf('a') } as const
      replica.receive(from, frameOf(new Encoder().message(message)))
    }
    await nextTurn()
    expect(machine.checks).to.equal(0)
    await replica.stop()
  })

  it('refuses a checkpoint whose signature is another replica’s', async () => {
    const keys = new TestKeys()
    const { replica, codes } = setup({ n: 4, id: 1 })
    await replica.start()
    const statement = { type: 'checkpoint', sequence: 10n, digest: 'aa', replica: 2 } as const
    const body = encodeStatement(statement)
    const proof = { body, signature: keys.signer(3).sign(body) as Uint8Array }
    replica.receive(2, frameOf(new Encoder().message({ ...statement, proof })))
    await nextTurn()
    expect(codes()).to.deep.equal(['PBFT_INVALID_SIGNATURE'])
    await replica.stop()
  })

  for (const [what, replica] of [
    ['of a replica that there is not', 9],
    ['that the verifier throws at', 3],
  ] as const) {
    it(`leaves no rejection unhandled by a bad signature beside one ${what}`, async () => {
      const verifier = {
        verify: (signer: number) => {
          if (signer === 3) throw new TypeError('no key')
          return Promise.resolve(false)
        },
      }
      const { replica: one, codes } = setup({ n: 4, id: 1 }, { verifier })
      await one.start()
      const unhandled: unknown[] = []
      const listener = (error: unknown): void => void unhandled.push(error)
      process.on('unhandledRejection', listener)
      const checkpoints = [0, replica].map((id) => {
        const statement = { type: 'checkpoint', sequence: 10n, digest: 'aa', replica: id } as const
        const proof = { body: encodeStatement(statement), signature: bytes('s') }
        return { ...statement, proof }
      })
      one.receive(2, frameOf(new Encoder().message({ type: 'certificate', checkpoints })))
      await nextTurn(5)
      process.off('unhandledRejection', listener)
      expect(unhandled).to.deep.equal([])
      expect(codes()).to.have.length(1)
      await one.stop()
    })
  }

  it('tells how long the oldest request has waited, also after younger ones came', async () => {
    const { replica, clock } = setup({ n: 4, id: 0 })
    await replica.start()
    expect(replica.status().oldestRequestMs).to.equal(0)
    replica.receive(2, frameOf(encodeForward(bytes('first'))))
    await nextTurn()
    await clock.advance(700)
    replica.receive(3, frameOf(encodeForward(bytes('second'))))
    await nextTurn()
    await clock.advance(100)
    expect(replica.status()).to.include({ pendingRequests: 2, oldestRequestMs: 800 })
    await replica.stop()
    expect(replica.status().oldestRequestMs).to.equal(0)
  })

  it('keeps the pool of one peer’s requests bounded, and takes another’s', async () => {
    const { replica, codes } = setup({ n: 4, id: 1, maxPoolRequests: 3 })
    await replica.start()
    for (let i = 0; i < 5; i++) replica.receive(2, frameOf(encodeForward(bytes(`request ${i}`))))
    replica.receive(3, frameOf(encodeForward(bytes('another'))))
    await nextTurn()
    expect(replica.status().pendingRequests).to.equal(4)
    expect(codes()).to.deep.equal(['PBFT_POOL_FULL', 'PBFT_POOL_FULL'])
    await replica.stop()
  })

  it('passes on a bounded number of another’s requests, and the oldest before it blames the primary', async () => {
    const toPrimary: string[] = []
    const network = {
      send: (to: number, frame: Uint8Array) => {
        for (const message of decodeFrame(frame)) {
          const incoming = decodeMessage(message)
          if (to === 0 && incoming.type === 'forward')
            toPrimary.push(Buffer.from(incoming.request).toString())
        }
        return Promise.resolve()
      },
    }
    const { replica, clock } = setup({ n: 4, id: 1 }, { network })
    await replica.start()
    for (let i = 0; i <= maxRelayed; i++)
      replica.receive(2, frameOf(encodeForward(bytes(`request ${i}`))))
    replica.receive(0, frameOf(encodeForward(bytes('of the primary'))))
    await nextTurn(5)
    expect(replica.status().pendingRequests).to.equal(maxRelayed + 2)
    expect(toPrimary).to.have.length(maxRelayed + 1)
    expect(toPrimary, 'it may have forgotten its own').to.include('of the primary')
    await clock.advance(1_000)
    expect(toPrimary.slice(maxRelayed + 1)).to.deep.equal(['request 0', 'of the primary'])
    await replica.stop()
  })

  const keys = new TestKeys()

  /** A backup, replica 2, of four, and what the others can sign. */
  const startBackup = async (options: Partial<ReplicaOptions>, verifier: Verifier) => {
    const sent: Uint8Array[] = []
    const network = {
      send: (_to: number, frame: Uint8Array) => (sent.push(frame), Promise.resolve()),
    }
    const { replica } = setup(
      { n: 4, id: 2, ...options },
      {
        verifier,
        network: echoing(network, () => replica),
        signer: keys.signer(2),
      },
    )
    await replica.start()
    await nextTurn()
    const sign = (author: number, statement: Statement) => {
      const body = encodeStatement(statement)
      const signature = keys.signer(author).sign(body) as Uint8Array
      return { ...statement, proof: { body, signature } }
    }
    const give = (from: number, ...messages: Message[]): void => {
      const encoded = messages.map((message) => new Encoder().message(message))
      replica.receive(from, Buffer.concat(encoded.map(frameOf)))
    }
    const prePrepare = (view: bigint, sequence: bigint): Message => {
      return { type: 'pre-prepare', view, sequence, batch: batchOf('a') }
    }
    const kindsSent = (): string[] =>
      sent.flatMap(decodeFrame).map((message) => {
        const incoming = decodeMessage(message)
        return incoming.type === 'plain' ? incoming.message.type : incoming.type
      })
    return { replica, sign, give, prePrepare, kindsSent }
  }

  const window = { checkpointPeriod: 1, logMultiplier: 2 }

  for (const [how, answer] of [
    ['at once', (isGood: boolean) => isGood],
    ['later', (isGood: boolean) => nextTurn(3).then(() => isGood)],
  ] as const) {
    const verifier: Verifier = {
      verify: (signer, body, signature) => answer(keys.verify(signer, body, signature)),
    }

    it(`accepts what a new primary proposes right behind its new-view, verified ${how}`, async () => {
      const { replica, sign, give, prePrepare, kindsSent } = await startBackup({}, verifier)
      const viewChanges = [0, 1, 3].map((id) =>
        sign(id, {
          ...{ type: 'view-change', view: 1n, replica: id, lowWatermark: 0n },
          ...{ stable: [], prepared: [], prePrepared: [] },
        }),
      ) as ViewChange[]
      const newView = sign(1, { type: 'new-view', view: 1n, viewChanges }) as NewView
      give(1, newView, prePrepare(1n, 1n))
      await nextTurn(50)
      expect(kindsSent()).to.include('prepare')
      await replica.stop()
    })

    it(`accepts what a primary proposes right behind the proof that moves the window, verified ${how}`, async () => {
      const { replica, sign, give, prePrepare, kindsSent } = await startBackup(window, verifier)
      const checkpoints = [0, 1, 3].map((id) =>
        sign(id, { type: 'checkpoint', sequence: 10n, digest: 'aa', replica: id }),
      ) as Checkpoint[]
      give(0, { type: 'certificate', checkpoints }, prePrepare(0n, 11n))
      await nextTurn(50)
      expect(kindsSent()).to.include('prepare')
      await replica.stop()
    })
  }

  it('accepts what a primary proposes right after the checkpoints of others that move the window', async () => {
    const { replica, sign, give, prePrepare, kindsSent } = await startBackup(window, keys)
    for (const id of [0, 1, 3])
      give(id, sign(id, { type: 'checkpoint', sequence: 2n, digest: 'aa', replica: id }))
    give(0, prePrepare(0n, 3n))
    await nextTurn(5)
    expect(kindsSent()).to.include('prepare')
    await replica.stop()
  })

  it('verifies a bounded number of messages of one at once, so that those of another begin at once', async () => {
    const begun: number[] = []
    const ends: (() => void)[] = []
    const verifier = {
      verify: (signer: number) => {
        begun.push(signer)
        return new Promise<boolean>((resolve) => ends.push(() => resolve(false)))
      },
    }
    const { replica, codes } = setup({ n: 4, id: 1 }, { verifier })
    await replica.start()
    const send = (from: number, number: bigint): void => {
      const statements = [
        { type: 'checkpoint', sequence: number, digest: 'aa', replica: from },
        { type: 'view-change', view: 2n * number, replica: from, lowWatermark: 0n, stable: [] },
        {
          type: 'view-change',
          view: 2n * number + 1n,
          replica: from,
          lowWatermark: 0n,
          stable: [],
        },
      ] as const
      for (const statement of statements) {
        const claims = { prepared: [], prePrepared: [] }
        const proof = { body: encodeStatement({ ...claims, ...statement }), signature: bytes('s') }
        replica.receive(from, frameOf(new Encoder().message({ ...claims, ...statement, proof })))
      }
    }
    for (let i = 1n; i <= 20n; i++) send(3, i)
    await nextTurn()
    expect(begun, 'of one').to.deep.equal(Array(maxVerifying).fill(3))
    send(2, 1n)
    send(0, 1n)
    await nextTurn()
    expect(begun.slice(maxVerifying), 'of the others').to.deep.equal([2, 2, 2, 0, 0, 0])
    ends[0]!()
    await nextTurn(5)
    expect(begun.slice(maxVerifying + 6), 'the next of the first').to.deep.equal([3])
    expect(codes()).to.deep.equal(['PBFT_INVALID_SIGNATURE'])
    await replica.stop()
  })

  it('checks a bounded number of requests of one at once, so that those of another begin at once', async () => {
    const begun: string[] = []
    const ends: ((isGood: boolean) => void)[] = []
    const stateMachine = Object.assign(new MemoryStateMachine(), {
      check: (request: Uint8Array) =>
        new Promise<string>((resolve, reject) => {
          begun.push(Buffer.from(request).toString())
          ends.push((isGood) => (isGood ? resolve : reject)(begun.at(-1)!))
        }),
    })
    const { replica } = setup({ n: 4, id: 1 }, { stateMachine })
    await replica.start()
    const forward = (from: number, name: string): void =>
      void replica.receive(from, frameOf(encodeForward(bytes(name))))
    for (let i = 0; i < maxChecking + 3; i++) forward(2, `two ${i}`)
    expect(begun).to.have.length(maxChecking)
    forward(3, 'three')
    void rejection(replica.submit(bytes('own')))
    expect(begun.slice(maxChecking)).to.deep.equal(['three', 'own'])
    for (const [end, isGood] of [
      [0, true],
      [1, false],
    ] as const)
      ends[end]!(isGood)
    await nextTurn()
    expect(begun.slice(maxChecking + 2)).to.deep.equal([
      `two ${maxChecking}`,
      `two ${maxChecking + 1}`,
    ])
    forward(2, 'late')
    expect(begun, 'in its turn').to.have.length(maxChecking + 4)
    await replica.stop()
  })

  it('drops what has no room under verification, counted', async () => {
    const counted: string[] = []
    const metrics = {
      counter: ({ name }: { name: string }) => ({
        add: (_: number, labels?: object) =>
          counted.push(`${name} ${JSON.stringify(labels ?? {})}`),
      }),
      gauge: () => ({ set: () => undefined }),
      histogram: () => ({ observe: () => undefined }),
    }
    const stateMachine = Object.assign(new MemoryStateMachine(), {
      check: () => new Promise<string>(() => undefined),
    })
    const { replica } = setup({ n: 4, id: 1, maxReceiveQueue: 2 }, { stateMachine, metrics })
    await replica.start()
    for (let n = 1n; n <= 3n; n++) {
      const message = {
        type: 'pre-prepare',
        view: 0n,
        sequence: n,
        batch: batchOf(`${n}`),
      } as const
      replica.receive(0, frameOf(new Encoder().message(message)))
    }
    expect(counted).to.deep.equal(['consensus_pbft_dropped_messages_total {"direction":"in"}'])
    await replica.stop()
  })

  it('says after each batch how much waits, and its bytes', async () => {
    const gauges = new Map<string, number>()
    const metrics = {
      counter: () => ({ add: () => undefined }),
      gauge: ({ name }: { name: string }) => ({
        set: (value: number) => void gauges.set(name.replace('consensus_pbft_pool_', ''), value),
      }),
      histogram: () => ({ observe: () => undefined }),
    }
    const { replica } = setup({ batchSize: 1, pipelineDepth: 1 }, { metrics })
    await replica.start()
    const sent = ['one', 'second'].map((text) => replica.submit(bytes(text)))
    await sent[0]
    expect([gauges.get('count_of_elements'), gauges.get('bytes')]).to.deep.equal([1, 6])
    await sent[1]
    expect([gauges.get('count_of_elements'), gauges.get('bytes')]).to.deep.equal([0, 0])
    await replica.stop()
  })

  it('proposes what has waited for batchTimeoutMs, though others are in flight', async () => {
    let proposed = 0
    const network = {
      send: (to: number, frame: Uint8Array) => {
        for (const message of decodeFrame(frame))
          if (to === 1 && decodeMessage(message).type === 'pre-prepare') proposed++
        return Promise.resolve()
      },
    }
    const { replica, clock } = setup(
      { n: 4, batchTimeoutMs: 20 },
      { network: echoing(network, () => replica) },
    )
    await replica.start()
    await nextTurn()
    for (const text of ['one', 'second']) {
      void rejection(replica.submit(bytes(text)))
      await nextTurn()
    }
    await clock.advance(19)
    expect(proposed).to.equal(1)
    await clock.advance(1)
    expect(proposed).to.equal(2)
    await replica.stop()
  })

  it('fetches no state before the journal has the proof of it', async () => {
    let transfers = 0
    const stateMachine = Object.assign(new MemoryStateMachine(), {
      transfer: () => {
        transfers++
        return new Promise<never>(() => undefined)
      },
    })
    let written = (): void => undefined
    const journal = Object.assign(new MemoryJournal(), {
      append: () => new Promise<void>((resolve) => (written = resolve)),
    })
    const { replica } = setup({ n: 4, id: 1 }, { stateMachine, journal })
    await replica.start()
    replica.receive(0, stableAt(20n))
    await nextTurn()
    expect(transfers).to.equal(0)
    written()
    await nextTurn()
    expect(transfers).to.equal(1)
    await replica.stop({ signal: AbortSignal.abort() })
  })

  it('forgets which number a request had once that is stable, though it executes nothing', async () => {
    let forwards = 0
    const network = {
      send: (_to: number, frame: Uint8Array) => {
        for (const message of decodeFrame(frame)) {
          const incoming = decodeMessage(message)
          if (incoming.type === 'forward' && Buffer.from(incoming.request).equals(bytes('mine')))
            forwards++
        }
        return Promise.resolve()
      },
    }
    const stateMachine = Object.assign(new MemoryStateMachine(), {
      transfer: () => new Promise<never>(() => undefined),
    })
    const options = { n: 4, id: 1, requestTimeoutMs: 60_000, forwardTimeoutMs: 1_000 }
    const { replica, clock } = setup(options, { network, stateMachine })
    await replica.start()
    for (const name of ['oldest', 'mine']) void rejection(replica.submit(bytes(name)))
    const batch = batchOf('mine')
    const proposal = { type: 'pre-prepare', view: 0n, sequence: 1n, batch } as const
    replica.receive(0, frameOf(new Encoder().message(proposal)))
    await clock.advance(5_000)
    expect(forwards, 'it has a number').to.equal(1)
    replica.receive(0, stableAt(20n))
    await clock.advance(2_000)
    expect(forwards, 'its number is gone').to.be.greaterThan(1)
    await replica.stop()
  })

  it('ignores everything after stop', async () => {
    const { replica, codes } = setup({ n: 4 })
    await replica.start()
    await replica.stop()
    replica.receive(1, bytes('garbage'))
    expect(codes()).to.deep.equal([])
  })
})

describe('Replica: batches and restarts', () => {
  it('orders requests given to two backups in one batch when they wait together', async () => {
    const cluster = new Cluster({ seed: 2, replica: { batchSize: 2 } })
    await cluster.start()
    cluster.submit(0, 'first')
    await cluster.run(1, 1)
    cluster.submit(1, 'a')
    cluster.submit(2, 'b')
    await cluster.runUntilLevel(2_000)
    expect(cluster.machine(3).history.map((entry) => entry.ids.length)).to.include(2)
    await cluster.stop()
  })

  it('comes back after a crash with its view and its log, at every point of the journal', async () => {
    for (let point = 0; point < 12; point++) {
      const cluster = new Cluster({
        seed: 3,
        appendMs: 3,
        replica: { batchSize: 1, checkpointPeriod: 2 },
      })
      await cluster.start()
      for (let i = 0; i < 4; i++) cluster.submit(i % 3, `request ${i}`)
      await cluster.run(5 + 3 * point, 1)
      cluster.crash(1)
      await cluster.start(1)
      for (let i = 0; i < 4; i++) cluster.submit(i % 3, `more ${i}`)
      await cluster.runUntilLevel(20_000)
      cluster.check()
      await cluster.stop()
    }
  })

  it('keeps its journal short over many checkpoints', async () => {
    const cluster = new Cluster({
      seed: 4,
      replica: { batchSize: 1, checkpointPeriod: 2, journalRewriteBytes: 2_000 },
    })
    await cluster.start()
    for (let i = 0; i < 100; i++) {
      cluster.submit(i % 4, `request ${i} ${'x'.repeat(100)}`)
      await cluster.run(5, 5)
    }
    await cluster.runUntilLevel(20_000)
    const kept = (await cluster.journal(2).records()).reduce(
      (sum, record) => sum + record.length,
      0,
    )
    expect(kept).to.be.lessThan(8_000)
    await cluster.stop()
  })
})

import assert from 'node:assert/strict'
import type { BlockRecord, Ledger } from '../ports.ts'
import { makeTestBlock, makeTestChain } from './blocks.ts'
import { caseOver, rejectsWith } from './compliance.ts'
import type { ComplianceCase, Opened } from './compliance.ts'

type Open = () => Promise<Ledger>

/** The cases that every {@link Ledger} must pass. */
export function ledgerCases(setup: () => Promise<Opened<Ledger>>): ComplianceCase[] {
  const cases: Record<string, (open: Open) => Promise<void>> = {
    'is empty at first': isEmpty,
    'gives back every block by number and by transaction': givesBack,
    'keeps blocks, index and state when it is opened again': keeps,
    'keeps the note of the last block with it, and refuses a longer one': notes,
    'takes overlapping appends in order': overlapping,
    'refuses a gap, a duplicate, a wrong previous hash and what is no block': refuses,
    'goes on after a refused block': goesOn,
    'tells the first place of a transaction that comes twice': firstPlace,
    'follows from any number and waits for blocks to come': follows,
    'ends a follower that waits on return, abort and close': endsFollowers,
    'refuses everything after close, and closes twice': closes,
    'refuses a second opening while it is open': locks,
    'refuses to apply state above its blocks': stateBound,
  }
  return Object.entries(cases).map(([name, run]) => caseOver(setup, name, run))
}

async function appendAll(ledger: Ledger, chain: readonly BlockRecord[]): Promise<void> {
  await Promise.all(chain.map((record) => ledger.append(record)))
}

async function assertHolds(ledger: Ledger, chain: readonly BlockRecord[]): Promise<void> {
  assert.equal(ledger.height, BigInt(chain.length))
  for (const [number, { block, txIds }] of chain.entries()) {
    const stored = await ledger.block(BigInt(number))
    assert.deepEqual(stored && Buffer.from(stored), Buffer.from(block), `block ${number}`)
    for (const [index, txId] of txIds.entries()) {
      const expected = { block: BigInt(number), index }
      assert.deepEqual(ledger.txLocation(txId), expected, `transaction ${number}/${index}`)
      const found = await ledger.blockByTxId(txId)
      assert.deepEqual(found && Buffer.from(found), Buffer.from(block), `by ${txId}`)
    }
  }
}

async function isEmpty(open: Open): Promise<void> {
  const ledger = await open()
  assert.equal(ledger.height, 0n)
  assert.equal(ledger.lastHeader, undefined)
  assert.equal(await ledger.block(0n), undefined)
  assert.equal(await ledger.block(-1n), undefined)
  assert.equal(ledger.txLocation('00'), undefined)
  assert.equal(ledger.txLocation(''), undefined)
  assert.equal(ledger.txLocation('x'.repeat(5_000)), undefined)
  assert.equal(await ledger.blockByTxId('00'), undefined)
  assert.equal(ledger.state.savepoint.height, 0n)
}

async function notes(open: Open): Promise<void> {
  const first = await open()
  assert.equal(first.lastNote, undefined)
  const [zero, one, two, three] = makeTestChain(4) as [
    BlockRecord,
    BlockRecord,
    BlockRecord,
    BlockRecord,
  ]
  const note = Buffer.alloc(64, 7)
  await first.append(zero)
  assert.equal(first.lastNote, undefined)
  await first.append({ ...one, note })
  note.fill(8)
  assert.deepEqual(first.lastNote, new Uint8Array(64).fill(7))
  await first.close()
  const second = await open()
  assert.deepEqual(second.lastNote, new Uint8Array(64).fill(7))
  const long = Buffer.alloc(65)
  await rejectsWith(second.append({ ...two, note: long }), 'LEDGER_TOO_LARGE')
  await second.append({ ...two, note: Buffer.of() })
  assert.deepEqual(second.lastNote, new Uint8Array())
  await assertHolds(second, [zero, one, two])
  await second.append(three)
  assert.equal(second.lastNote, undefined)
  await second.close()
  assert.equal((await open()).lastNote, undefined)
}

async function givesBack(open: Open): Promise<void> {
  const ledger = await open()
  const chain = makeTestChain(5)
  for (const record of chain) await ledger.append(record)
  await assertHolds(ledger, chain)
  assert.equal(ledger.lastHeader?.number, 4n)
  assert.equal(await ledger.block(5n), undefined)
}

async function keeps(open: Open): Promise<void> {
  const chain = makeTestChain(6)
  const first = await open()
  await appendAll(first, chain.slice(0, 4))
  await first.state.apply(1n, 1n, [{ namespace: 'n', key: 'k', value: Buffer.from('v') }])
  const hash = first.lastHeader?.hash
  await first.close()
  const second = await open()
  await assertHolds(second, chain.slice(0, 4))
  assert.deepEqual(second.lastHeader?.hash, hash)
  assert.equal(second.state.savepoint.height, 1n)
  assert.deepEqual(second.state.get('n', 'k'), new Uint8Array(Buffer.from('v')))
  await appendAll(second, chain.slice(4))
  await second.close()
  await assertHolds(await open(), chain)
}

async function overlapping(open: Open): Promise<void> {
  const ledger = await open()
  const chain = makeTestChain(40, { transactions: 3 })
  const done: number[] = []
  await Promise.all(
    chain.map(async (record, number) => {
      await ledger.append(record)
      assert.ok(
        ledger.height > BigInt(number),
        `block ${number} is counted when it is acknowledged`,
      )
      assert.notEqual(ledger.txLocation(record.txIds[0] ?? ''), undefined)
      done.push(number)
    }),
  )
  assert.deepEqual(done, [...chain.keys()])
  await assertHolds(ledger, chain)
}

async function refuses(open: Open): Promise<void> {
  const ledger = await open()
  const [zero, one, two] = makeTestChain(3) as [BlockRecord, BlockRecord, BlockRecord]
  await rejectsWith(ledger.append(one), 'LEDGER_GAP')
  await ledger.append(zero)
  await rejectsWith(ledger.append(two), 'LEDGER_GAP')
  await rejectsWith(ledger.append(zero), 'LEDGER_DUPLICATE')
  const stranger = makeTestBlock({ number: 0n, hash: Buffer.alloc(32, 7) })
  await rejectsWith(ledger.append(stranger), 'LEDGER_WRONG_PREVIOUS_HASH')
  await rejectsWith(
    ledger.append({ block: Buffer.from('nonsense'), txIds: [] }),
    'LEDGER_BAD_BLOCK',
  )
  await rejectsWith(ledger.append({ block: new Uint8Array(), txIds: [] }), 'LEDGER_BAD_BLOCK')
  const longId = { block: one.block, txIds: ['x'.repeat(1_025)] }
  await rejectsWith(ledger.append(longId), 'LEDGER_TOO_LARGE')
  await assertHolds(ledger, [zero])
}

async function goesOn(open: Open): Promise<void> {
  const ledger = await open()
  const chain = makeTestChain(4)
  const [zero, one, two, three] = chain as [BlockRecord, BlockRecord, BlockRecord, BlockRecord]
  const results = await Promise.allSettled([
    ledger.append(zero),
    ledger.append(two),
    ledger.append(one),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  await appendAll(ledger, [two, three])
  await assertHolds(ledger, chain)
}

async function firstPlace(open: Open): Promise<void> {
  const chain = makeTestChain(4).map(({ block }, number) => ({
    block,
    txIds: ['twice', '', `only ${number}`, 'twice'],
  }))
  const ledger = await open()
  await appendAll(ledger, chain.slice(0, 3))
  assert.deepEqual(ledger.txLocation('twice'), { block: 0n, index: 0 })
  assert.deepEqual(ledger.txLocation('only 2'), { block: 2n, index: 2 })
  await ledger.close()
  const again = await open()
  assert.deepEqual(again.txLocation('twice'), { block: 0n, index: 0 })
  assert.deepEqual(again.txLocation('only 1'), { block: 1n, index: 2 })
  await appendAll(again, chain.slice(3))
  assert.deepEqual(again.txLocation('twice'), { block: 0n, index: 0 })
  await again.close()
  assert.deepEqual((await open()).txLocation('twice'), { block: 0n, index: 0 })
}

async function follows(open: Open): Promise<void> {
  const ledger = await open()
  const chain = makeTestChain(6)
  await appendAll(ledger, chain.slice(0, 3))
  const seen: Buffer[] = []
  const following = (async () => {
    for await (const block of ledger.follow(1n)) {
      seen.push(Buffer.from(block))
      if (seen.length === 5) break
    }
  })()
  for (const record of chain.slice(3)) await ledger.append(record)
  await following
  assert.deepEqual(
    seen,
    chain.slice(1).map(({ block }) => Buffer.from(block)),
  )
}

async function endsFollowers(open: Open): Promise<void> {
  const ledger = await open()
  const returned = ledger.follow(0n)[Symbol.asyncIterator]()
  const waiting = returned.next()
  await returned.return?.()
  assert.deepEqual(await waiting, { value: undefined, done: true })

  const reason = new RangeError('enough')
  const abort = new AbortController()
  const aborted = ledger.follow(0n, { signal: abort.signal })[Symbol.asyncIterator]()
  const pending = aborted.next()
  abort.abort(reason)
  await assert.rejects(pending, reason)
  const early = ledger.follow(0n, { signal: abort.signal })[Symbol.asyncIterator]()
  await assert.rejects(early.next(), reason)

  const closed = ledger.follow(0n)[Symbol.asyncIterator]().next()
  const outcome = rejectsWith(closed, 'LEDGER_CLOSED')
  await ledger.close()
  await outcome
}

async function closes(open: Open): Promise<void> {
  const ledger = await open()
  const [zero, one] = makeTestChain(2) as [BlockRecord, BlockRecord]
  const last = ledger.append(zero)
  await Promise.all([ledger.close(), ledger.close()])
  await last
  await rejectsWith(ledger.append(one), 'LEDGER_CLOSED')
  await rejectsWith(ledger.block(0n), 'LEDGER_CLOSED')
  await rejectsWith(ledger.state.apply(1n, 1n, []), 'LEDGER_CLOSED')
  assert.throws(() => ledger.txLocation('00'), { code: 'LEDGER_CLOSED' })
  assert.throws(() => ledger.state.get('n', 'k'), { code: 'LEDGER_CLOSED' })
}

async function locks(open: Open): Promise<void> {
  const ledger = await open()
  await rejectsWith(open(), 'LEDGER_LOCKED')
  await ledger.close()
  await (await open()).close()
}

async function stateBound(open: Open): Promise<void> {
  const ledger = await open()
  await rejectsWith(ledger.state.apply(1n, 1n, []), 'LEDGER_OUT_OF_ORDER')
  const [zero] = makeTestChain(1) as [BlockRecord]
  await ledger.append(zero)
  await ledger.state.apply(1n, 1n, [])
  assert.equal(ledger.state.savepoint.height, 1n)
}

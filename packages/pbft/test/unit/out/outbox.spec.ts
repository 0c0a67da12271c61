import { expect } from 'chai'
import { Broadcaster } from '../../../src/out/broadcaster.ts'
import { decodeFrame } from '../../../src/wire/frame.ts'
import { Outbox } from '../../../src/out/outbox.ts'
import type { OutboxBounds } from '../../../src/out/outbox.ts'
import { nextTurn } from '../../support/turns.ts'

const shown = (record: Uint8Array): string => Buffer.from(record.subarray(0, 20)).toString()

const defaults: OutboxBounds = {
  ...{ journalRewriteBytes: 1_000, maxSendQueue: 100, maxSendQueueBytes: 1_000 },
  ...{ maxJournalQueue: 100, maxJournalQueueBytes: 1_000 * 1024 * 1024 },
}

/** A journal that is durable when told, and what was sent so far. */
function setup(bounds: Partial<OutboxBounds> = {}) {
  const log: string[] = []
  const pending: { resolve: () => void; reject: (e: unknown) => void }[] = []
  const write = (kind: string) => (records: readonly Uint8Array[]) =>
    new Promise<void>((resolve, reject) => {
      log.push(`${kind} ${records.map(shown).join(',')}`)
      pending.push({ resolve, reject })
    })
  const journal = {
    needsHead: false,
    isLost: false,
    append: write('append'),
    rewrite: write('rewrite'),
    records: () => Promise.resolve([]),
  }
  const network = {
    send: (_to: number, bytes: Uint8Array) => {
      for (const message of decodeFrame(bytes)) log.push(`sent ${message.toString()}`)
      return Promise.resolve()
    },
  }
  const ignore = { dropped: () => undefined, failed: () => undefined }
  const broadcaster = new Broadcaster(
    network,
    { id: 0, n: 2, maxSendQueue: 10, maxSendQueueBytes: 1_000, maxPoolRequests: 1 },
    ignore,
  )
  const failures: unknown[] = []
  const outbox = new Outbox(journal, broadcaster, {
    bounds: { ...defaults, ...bounds },
    snapshot: () => [Buffer.from('snapshot')],
    onFailure: (error) => failures.push(error),
    onAppend: () => undefined,
    onDrop: () => log.push('dropped'),
    onFull: (isFull) => log.push(isFull ? 'full' : 'room'),
  })
  const durable = async () => {
    pending.shift()!.resolve()
    await nextTurn()
  }
  return { outbox, log, journal, pending, durable, failures }
}

const bytes = (text: string) => Buffer.from(text)

describe('Outbox', () => {
  it('sends and acts only once what was persisted before is durable', async () => {
    const { outbox, log, durable } = setup()
    outbox.persist(bytes('p'))
    outbox.send('all', bytes('m'))
    outbox.defer(() => log.push('executed'))
    outbox.flush()
    await nextTurn()
    expect(log).to.deep.equal(['append p'])
    await durable()
    expect(log.slice(1).sort()).to.deep.equal(['executed', 'sent m'])
  })

  it('sends at once what rests on nothing', async () => {
    const { outbox, log } = setup()
    outbox.send(1, bytes('m'))
    outbox.flush()
    await nextTurn()
    expect(log).to.deep.equal(['sent m'])
  })

  it('appends together what comes while an append is under way, and keeps all in order', async () => {
    const { outbox, log, durable } = setup()
    for (const name of ['1', '2', '3']) {
      outbox.persist(bytes(`p${name}`))
      outbox.send(1, bytes(`m${name}`))
      outbox.flush()
    }
    outbox.send(1, bytes('last'))
    outbox.flush()
    await durable()
    expect(log).to.deep.equal(['append p1', 'sent m1', 'append p2,p3'])
    await durable()
    expect(log.slice(3)).to.deep.equal(['sent m2', 'sent m3', 'sent last'])
    await outbox.idle()
  })

  it('lets out what came while an append was under way, though it needs no other', async () => {
    const { outbox, log, durable } = setup()
    outbox.persist(bytes('p'))
    outbox.flush()
    outbox.send(1, bytes('m'))
    outbox.flush()
    await durable()
    expect(log).to.deep.equal(['append p', 'sent m'])
  })

  it('rewrites the journal at a stable checkpoint once enough was appended', async () => {
    const { outbox, log, durable } = setup({ journalRewriteBytes: 10 })
    outbox.persist(bytes('short'))
    outbox.truncate()
    outbox.flush()
    await durable()
    outbox.persist(bytes('long enough'))
    outbox.truncate()
    outbox.send(1, bytes('m'))
    outbox.flush()
    await durable()
    expect(log).to.deep.equal(['append short', 'rewrite snapshot', 'sent m'])
  })

  it('rewrites a journal that was taken away at a stable checkpoint, however short', async () => {
    const { outbox, log, journal, durable } = setup()
    journal.isLost = true
    outbox.persist(bytes('p'))
    outbox.truncate()
    outbox.flush()
    await durable()
    expect(log).to.deep.equal(['rewrite snapshot'])
  })

  it('appends no more than 16 MiB at once, in order, and acts after the last part', async () => {
    const { outbox, log, durable } = setup()
    const mebibyte = 1024 * 1024
    for (const [letter, size] of [
      ['a', 16 * mebibyte],
      ['b', 1],
      ['c', 17 * mebibyte],
      ['d', 8 * mebibyte],
      ['e', 8 * mebibyte],
    ] as const)
      outbox.persist(Buffer.alloc(size, letter))
    outbox.send(1, bytes('m'))
    outbox.flush()
    for (let parts = 0; parts < 4; parts++) await durable()
    const many = (letter: string) => letter.repeat(20)
    expect(log).to.deep.equal([
      ...[`append ${many('a')}`, 'append b', `append ${many('c')}`],
      ...[`append ${many('d')},${many('e')}`, 'sent m'],
    ])
  })

  it('holds no more than maxSendQueue messages for a journal that hangs, and every execution', async () => {
    const { outbox, log, durable } = setup({ maxSendQueue: 3 })
    outbox.persist(bytes('first'))
    outbox.send(1, bytes('0'))
    outbox.flush()
    outbox.persist(bytes('p'))
    for (const name of ['1', '2', '3']) outbox.send(1, bytes(name))
    outbox.defer(() => log.push('executed'))
    outbox.flush()
    await durable()
    await durable()
    outbox.send(1, bytes('4'))
    outbox.flush()
    await nextTurn()
    expect(log).to.deep.equal([
      ...['append first', 'dropped', 'sent 0', 'append p', 'executed', 'sent 1', 'sent 2'],
      'sent 4',
    ])
  })

  it('holds no more than maxSendQueueBytes of messages, but one that waits alone whatever its size', async () => {
    const { outbox, log, durable } = setup({ maxSendQueueBytes: 4 })
    outbox.persist(bytes('p'))
    for (const message of ['1', '234', '5']) outbox.send(1, bytes(message))
    outbox.flush()
    await durable()
    outbox.persist(bytes('q'))
    for (const message of ['large', '6']) outbox.send(1, bytes(message))
    outbox.flush()
    await durable()
    const first = ['dropped', 'append p', 'sent 1', 'sent 234']
    expect(log).to.deep.equal([...first, 'dropped', 'append q', 'sent large'])
  })

  it('is full from maxJournalQueue records on, written or waiting, until enough are durable', async () => {
    const { outbox, log, durable } = setup({ maxJournalQueue: 3 })
    const isFull: boolean[] = []
    for (const record of ['1', '2', '3', '4']) {
      outbox.persist(bytes(record))
      outbox.flush()
      isFull.push(outbox.isFull)
    }
    expect(isFull).to.deep.equal([false, false, true, true])
    await durable()
    expect(outbox.isFull, 'three are being written').to.equal(true)
    await durable()
    expect(outbox.isFull).to.equal(false)
    expect(log).to.deep.equal(['append 1', 'full', 'append 2,3,4', 'room'])
  })

  it('is full from maxJournalQueueBytes of records on', async () => {
    const { outbox, durable } = setup({ maxJournalQueueBytes: 4 })
    outbox.persist(bytes('12'))
    outbox.flush()
    outbox.persist(bytes('3'))
    expect(outbox.isFull).to.equal(false)
    outbox.persist(bytes('4'))
    expect(outbox.isFull).to.equal(true)
    outbox.flush()
    await durable()
    expect(outbox.isFull).to.equal(false)
  })

  it('sends nothing more after the journal failed', async () => {
    const { outbox, log, pending, failures } = setup()
    outbox.persist(bytes('p'))
    outbox.send(1, bytes('m'))
    outbox.flush()
    pending.shift()!.reject(new TypeError('disk full'))
    await nextTurn()
    outbox.send(1, bytes('later'))
    outbox.flush()
    await nextTurn()
    expect(log).to.deep.equal(['append p'])
    expect(failures).to.have.length(1)
  })
})

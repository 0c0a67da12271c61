import { expect } from 'chai'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { signedEnvelope } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { chainCases } from '@heddle/orderer/testing'
import type { StateMachine } from '@heddle/pbft'
import { MemoryJournal, stateMachineCases } from '@heddle/pbft/testing'
import { blockDataHash, common, create, encode, receive } from '@heddle/proto'
import type { Received } from '@heddle/proto'
import { Bookings, encodeBooking } from '../bookings/bookings.ts'
import type { FetchBatches, OrderedBatch } from '../bookings/bookings.ts'
import { createOrganization, genesisBlock } from '../own-orderer/channel.ts'
import type { Organization } from '../own-orderer/channel.ts'
import { MeteredChain } from '../own-orderer/metered-chain.ts'
import { FeedFile } from '../verified-blocks/feed-file.ts'
import type { Line } from '../verified-blocks/lines.ts'

// What somebody writes for a port of Heddle goes through the suite that the port's package ships.

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'examples-'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('Bookings', () => {
  const [first, second, third] = ['A1', 'A2', 'A1'].map((seat, n) =>
    encodeBooking({ seat, guest: `guest ${n}` }),
  ) as [Buffer, Buffer, Buffer]
  const nobody = (): Promise<OrderedBatch[]> => Promise.reject(new Error('nobody is there'))
  /** Bookings over logs in memory; each may get batches from another, and can be opened again. */
  const setup = () => {
    const logs = new Map<StateMachine, MemoryJournal>()
    const over = async (log: MemoryJournal, source?: StateMachine): Promise<Bookings> => {
      const fetch: FetchBatches = (_, { from, to }) =>
        source instanceof Bookings ? Promise.resolve(source.batches(from, to)) : nobody()
      const machine = new Bookings(log, fetch, await log.records())
      logs.set(machine, log)
      return machine
    }
    return {
      create: (source?: StateMachine) => over(new MemoryJournal(), source),
      reopen: (machine: StateMachine) => over(logs.get(machine)!),
      requests: [first, second, third] as const,
      invalid: Buffer.from('{"seat": "A1"}'),
    }
  }
  for (const { name, run } of stateMachineCases(setup)) it(name, run)

  it('gives a seat to the booking that was ordered first, and opens again as it was', async () => {
    const log = new MemoryJournal()
    const bookings = new Bookings(log, nobody, [])
    await bookings.execute(1n, [first, second, third])
    expect(Object.fromEntries(bookings.guests)).to.deep.equal({ A1: 'guest 0', A2: 'guest 1' })
    const again = new Bookings(log, nobody, await log.records())
    expect(again.guests).to.deep.equal(bookings.guests)
    expect(again.lastExecuted()).to.deep.equal(bookings.lastExecuted())
  })

  it('takes transferred batches only if they lead to what was signed for', async () => {
    const source = await setup().create()
    await source.execute(1n, [first])
    await source.execute(2n, [second])
    const lies: unknown[] = [
      [],
      [{ sequence: '2', requests: [] }],
      [{ sequence: 'two' }],
      source.batches(1n, 1n),
    ]
    const fetch = (replica: number) =>
      Promise.resolve((lies[replica] ?? source.batches(1n, 2n)) as OrderedBatch[])
    const bookings = new Bookings(new MemoryJournal(), fetch, [])
    const target = source.lastExecuted()
    const refusal = await bookings
      .transfer({ ...target, replicas: [0, 1, 2, 3] }, {})
      .catch((error: unknown) => error)
    expect(refusal).to.have.property('code', 'BOOKINGS_NO_SOURCE')
    expect(bookings.guests.size).to.equal(0)
    await bookings.transfer({ ...target, replicas: [0, 1, 2, 3, 4] }, {})
    expect(bookings.lastExecuted()).to.deep.equal(target)
    expect(bookings.guests.get('A2')).to.equal('guest 1')
  })
})

describe('MeteredChain', () => {
  let users: Organization[] = []

  async function envelope(n: number, user = users[0]!): Promise<Uint8Array> {
    // The same bytes for the same number.
    const signer = { serialized: user.signer.serialized, sign: () => Buffer.from('signature') }
    const { bytes } = await signedEnvelope({
      channelId: 'metered',
      type: common.HeaderType.MESSAGE,
      data: Buffer.from(`envelope ${n}`),
      nonce: Buffer.alloc(24, n),
      clock: { ...systemClock, wallTime: () => 0 },
      signer,
    })
    return bytes
  }

  async function open(quota: number) {
    const operator = await createOrganization(dir, 'Operator', 'orderer')
    users = [await createOrganization(dir, 'Acme', 'client')]
    users.push(await createOrganization(dir, 'Zenith', 'client'))
    const genesis = genesisBlock('metered', operator, users)
    const { signer } = operator
    const chain = await MeteredChain.open({ dir: join(dir, 'ledger'), genesis, signer, quota })
    return { chain, envelope: (n: number) => envelope(n), close: () => chain.close() }
  }
  for (const { name, run } of chainCases(() => open(100))) it(name, run)

  it('orders for others after it refused somebody', async () => {
    const { chain, close } = await open(1)
    const submit = async (n: number, user?: Organization): Promise<unknown> =>
      chain
        .submit(receive(common.EnvelopeSchema, await envelope(n, user)))
        .catch((error: unknown) => error)
    expect(await submit(0)).to.equal(undefined)
    expect(await submit(1)).to.have.property('code', 'METERED_QUOTA_USED')
    expect(await submit(0, users[1])).to.equal(undefined)
    expect([chain.quota.used('AcmeMSP'), chain.quota.used('ZenithMSP')]).to.deep.equal([1, 1])
    await close()
  })
})

describe('FeedFile', () => {
  const envelope = Buffer.from('0a00', 'hex')

  function blockOf(number: bigint, ...data: readonly Uint8Array[]): Received<common.Block> {
    const header = { number, previousHash: new Uint8Array(), dataHash: blockDataHash(data) }
    const block = create(common.BlockSchema, { header, data: { data: [...data] } })
    return receive(common.BlockSchema, encode(common.BlockSchema, block))
  }

  async function lines(): Promise<Line[]> {
    const text = await readFile(join(dir, 'transactions.ndjson'), 'utf8')
    const whole = text.split('\n').slice(0, -1)
    return whole.map((line) => JSON.parse(line) as Line)
  }

  it('cuts off what a crash left behind the checkpoint, and goes on after it', async () => {
    const before = await FeedFile.open(dir)
    const last = blockOf(1n, envelope, envelope)
    await before.put(blockOf(0n, envelope))
    await before.put(last)
    await before.close()
    const left = `${'{"block":2,"index":0}\n'.repeat(50)}{"bl`
    await appendFile(join(dir, 'transactions.ndjson'), left)
    const after = await FeedFile.open(dir)
    expect(after.height()).to.equal(2n)
    expect(await after.block(1n)).to.deep.equal(last.bytes)
    expect(await after.block(2n)).to.equal(undefined)
    await after.put(blockOf(2n, envelope))
    await after.close()
    const places = (await lines()).map(({ block, index }) => [block, index])
    expect(places).to.deep.equal([
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 0],
    ])
  })

  it('has a line also for what is no envelope', async () => {
    const feed = await FeedFile.open(dir)
    await feed.put(blockOf(0n, Buffer.from('garbage')))
    await feed.close()
    expect((await lines())[0]).to.include({ block: 0, index: 0, type: 'UNREADABLE' })
  })
})

import { VirtualClock } from '@heddle/events/testing'
import { expect } from 'chai'
import { buildBlock } from '@heddle/proto'
import type { ArchivedBlock } from '../../src/index.ts'
import {
  type AnswererContext,
  SignatureAnswerer,
  answerLimits,
} from '../../src/signature-answerer.ts'

const signature = { identifierHeader: Buffer.from('who'), signature: Buffer.from('signature') }

function block(number: number): ArchivedBlock {
  const { header } = buildBlock({
    number: BigInt(number),
    previousHash: new Uint8Array(32),
    envelopes: [],
  })
  return { header: header!, value: new Uint8Array(), signatures: [signature] }
}

async function turns(): Promise<void> {
  for (let count = 0; count < 10; count++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the answers to consenters that lack signatures', () => {
  let clock: VirtualClock
  let counts: Record<string, number>
  /** Blocks that were read, and whose signatures were compared. */
  let read: bigint[]
  let compared: number

  beforeEach(() => {
    clock = new VirtualClock()
    counts = {}
    read = []
    compared = 0
  })

  function answerer(
    storedBytes: number,
    overrides: Partial<AnswererContext> = {},
  ): SignatureAnswerer {
    return new SignatureAnswerer({
      channelId: 'ch',
      network: { broadcast: () => undefined, send: () => undefined },
      archive: {
        block: (number) => {
          read.push(number)
          return Promise.resolve({ ...block(Number(number)), storedBytes })
        },
      },
      clock,
      logger: undefined,
      maxRecentBlocks: 3,
      maxAnswersInFlight: 8,
      count: (outcome) => (counts[outcome] = (counts[outcome] ?? 0) + 1),
      compare: () => {
        compared++
        return Promise.resolve()
      },
      ...overrides,
    })
  }

  /** Consenter `id` asks for a block, and its request is dealt with. */
  async function ask(one: SignatureAnswerer, number: number, id = 4): Promise<void> {
    one.take({ id, ...signature }, BigInt(number), true)
    await turns()
  }

  it('read nothing for the blocks completed last, as many as are kept', async () => {
    const one = answerer(1)
    for (const number of [1, 2, 4, 3]) one.completed(block(number))
    for (const number of [4, 3, 2]) await ask(one, number)
    expect(read).to.deep.equal([])
    expect([counts, compared]).to.deep.equal([{ answered: 3 }, 3])
    await ask(one, 1)
    expect(read, 'beyond the bound').to.deep.equal([1n])
    expect(counts).to.deep.equal({ answered: 4 })
  })

  it('read no more bytes of older blocks for one consenter than its budget, others have theirs', async () => {
    const { perSecond, burst } = answerLimits.readBytes
    const one = answerer(burst / 4)
    for (let number = 1; number <= 7; number++) await ask(one, number)
    expect(read, 'the one that exceeds it is still read').to.deep.equal([1n, 2n, 3n, 4n, 5n])
    expect(counts).to.deep.equal({ answered: 5, answer_dropped: 2 })
    one.completed(block(9))
    await ask(one, 9)
    await ask(one, 7, 3)
    expect(counts, 'from memory, and of another').to.deep.equal({ answered: 7, answer_dropped: 2 })
    await clock.advance((1000 * burst) / 4 / perSecond)
    await ask(one, 7)
    expect(counts, 'when it has come back').to.deep.equal({ answered: 8, answer_dropped: 2 })
  })

  it('serve no more requests of one consenter than its budget, from memory neither', async () => {
    const { perSecond, burst } = answerLimits.answers
    const one = answerer(1)
    one.completed(block(1))
    for (let count = 0; count < burst + 10; count++) one.take({ id: 4, ...signature }, 1n, true)
    await ask(one, 1, 3)
    expect(counts).to.deep.equal({ answered: burst + 2, answer_dropped: 9 })
    expect(compared).to.equal(burst + 2)
    await clock.advance(1000 + 1000 / perSecond)
    for (let count = 0; count < burst; count++) one.take({ id: 4, ...signature }, 1n, true)
    expect(counts['answered'], 'as many as came back').to.equal(burst + 2 + perSecond + 1)
  })
})

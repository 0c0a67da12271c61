import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import {
  type BlockSignature,
  blockHeaderBytes,
  blockSignaturePreimage,
  buildBlock,
  common,
  create,
  decode,
  encode,
  heddle,
  ordererMetadataValue,
} from '@heddle/proto'
import {
  BlockSignatureCollector,
  type BlockToSign,
  type SignatureCollectorOptions,
  type StoredBlock,
} from '../../src/index.ts'

const { BlockSignatures_Purpose: Purpose } = heddle
const channelId = 'ch'
const consenters = [1, 2, 3, 4]

/** Not a signature, but only whoever knows an id's rule makes it: enough to tell right from wrong. */
function fakeSignature(id: number, message: Uint8Array): Buffer {
  return createHash('sha256').update(`key of ${id}`).update(message).digest()
}

/** Block `number`, as every correct consenter executes it. */
function blockToSign(number: number): BlockToSign {
  const envelopes = [Buffer.from(`envelope ${number}`)]
  const block = buildBlock({ number: BigInt(number), previousHash: new Uint8Array(32), envelopes })
  return { header: block.header!, value: ordererMetadataValue(0n) }
}

/** Consenter `id`'s signature over a block. */
function signatureOf(id: number, { header, value }: BlockToSign): BlockSignature {
  const message = create(common.IdentifierHeaderSchema, { identifier: id, nonce: Buffer.from('n') })
  const identifierHeader = encode(common.IdentifierHeaderSchema, message)
  const preimage = blockSignaturePreimage(value, identifierHeader, blockHeaderBytes(header))
  return { identifierHeader, signature: fakeSignature(id, preimage) }
}

function message(
  number: number,
  purpose: heddle.BlockSignatures_Purpose,
  signatures: readonly BlockSignature[],
  channel = channelId,
): Uint8Array {
  const init = {
    channelId: channel,
    number: BigInt(number),
    purpose,
    signatures: signatures.map(({ identifierHeader, signature }) => ({
      identifierHeader,
      signature,
    })),
  }
  return encode(heddle.BlockSignaturesSchema, create(heddle.BlockSignaturesSchema, init))
}

function share(id: number, number: number): Uint8Array {
  return message(number, Purpose.SHARE, [signatureOf(id, blockToSign(number))])
}

function idOf({ identifierHeader }: BlockSignature): number {
  return decode(common.IdentifierHeaderSchema, identifierHeader).identifier
}

/** Block `number`, if its signatures are stored. */
function archived(
  stored: ReadonlyMap<bigint, readonly BlockSignature[]>,
  number: bigint,
): StoredBlock | undefined {
  const signatures = stored.get(number)
  return signatures && { ...blockToSign(Number(number)), signatures, storedBytes: 1000 }
}

interface Sent {
  readonly to: number | 'all'
  readonly bytes: Uint8Array
}

/** One collector alone, and what it sent. */
interface Alone {
  readonly collector: BlockSignatureCollector
  readonly clock: VirtualClock
  readonly sent: Sent[]
  readonly archive: Map<bigint, BlockSignature[]>
  readonly counts: Map<string, number>
  /** Who was told of to have sent a wrong signature. */
  readonly refused: number[]
  verified: number
}

type Settings = Partial<SignatureCollectorOptions> & { verifier?: () => Promise<boolean> }

async function alone({ verifier, ...options }: Settings = {}): Promise<Alone> {
  const clock = new VirtualClock()
  const sent: Sent[] = []
  const archive = new Map<bigint, BlockSignature[]>()
  const counts = new Map<string, number>()
  const add = (by: number, labels?: Readonly<Record<string, string>>): void => {
    const outcome = labels?.['outcome'] ?? ''
    counts.set(outcome, (counts.get(outcome) ?? 0) + by)
  }
  const metric = { add, set: () => undefined, observe: () => undefined }
  const self = options.self ?? 1
  const refused: number[] = []
  const fixture = { clock, sent, archive, counts, refused, verified: 0 }
  const collector = new BlockSignatureCollector(
    {
      network: {
        broadcast: (bytes) => sent.push({ to: 'all', bytes }),
        send: (to, bytes) => sent.push({ to, bytes }),
        refused: (from) => refused.push(from),
      },
      signer: { sign: (bytes) => fakeSignature(self, bytes) },
      verifier: {
        verify: (id, bytes, signature) => {
          fixture.verified++
          return verifier?.() ?? Promise.resolve(fakeSignature(id, bytes).equals(signature))
        },
      },
      archive: { block: (number) => Promise.resolve(archived(archive, number)) },
      clock,
      metrics: { counter: () => metric, gauge: () => metric, histogram: () => metric },
    },
    { channelId, self, consenters, ...options },
  )
  await collector.start()
  return Object.assign(fixture, { collector })
}

/** What was sent, decoded. */
function decoded({ sent }: Alone): { to: number | 'all'; number: bigint; purpose: string }[] {
  return sent.map(({ to, bytes }) => {
    const { number, purpose } = decode(heddle.BlockSignaturesSchema, bytes)
    return { to, number, purpose: Purpose[purpose] }
  })
}

async function turns(): Promise<void> {
  for (let count = 0; count < 10; count++) await new Promise((resolve) => setImmediate(resolve))
}

describe('BlockSignatureCollector', function () {
  this.timeout(30_000) // a loaded machine takes its time

  it('resolves with a quorum of signatures, the own one among them, ordered by consenter', async () => {
    const one = await alone({ self: 3 })
    const collected = one.collector.collect(blockToSign(0))
    one.collector.receive(4, share(4, 0))
    one.collector.receive(1, share(1, 0))
    const signatures = await collected
    expect(signatures.map(idOf)).to.deep.equal([1, 3, 4])
    for (const signature of signatures) {
      const { header, value } = blockToSign(0)
      const preimage = blockSignaturePreimage(
        value,
        signature.identifierHeader,
        blockHeaderBytes(header),
      )
      expect(fakeSignature(idOf(signature), preimage)).to.deep.equal(
        Buffer.from(signature.signature),
      )
    }
    expect(one.collector.openBlocks).to.equal(0)
    expect(decoded(one)).to.deep.equal([{ to: 'all', number: 0n, purpose: 'REQUEST' }])
  })

  it('does not resolve one signature below the quorum', async () => {
    const one = await alone()
    let resolved = false
    void one.collector.collect(blockToSign(0)).then(() => (resolved = true))
    one.collector.receive(2, share(2, 0))
    one.collector.receive(2, share(2, 0))
    await turns()
    expect(resolved).to.equal(false)
    one.collector.receive(4, share(4, 0))
    await turns()
    expect(resolved).to.equal(true)
  })

  it('completes at once when it is the only consenter', async () => {
    const one = await alone({ consenters: [1] })
    expect((await one.collector.collect(blockToSign(0))).map(idOf)).to.deep.equal([1])
  })

  it('uses signatures that came before the block was executed', async () => {
    const one = await alone()
    one.collector.receive(2, share(2, 5))
    one.collector.receive(3, share(3, 5))
    expect(one.counts.get('early')).to.equal(2)
    expect((await one.collector.collect(blockToSign(5))).map(idOf)).to.deep.equal([1, 2, 3])
  })

  it('keeps early signatures for exactly the window of blocks', async () => {
    const one = await alone({ nextBlock: 10n, window: 4 })
    for (const number of [9, 10, 13, 14]) one.collector.receive(2, share(2, number))
    expect(one.counts.get('early'), 'blocks 10 and 13').to.equal(2)
    expect(one.counts.get('outside_window'), 'block 14').to.equal(1)
    const collected = one.collector.collect(blockToSign(10))
    one.collector.receive(2, share(2, 14)) // the window has moved on
    expect(one.counts.get('early')).to.equal(3)
    one.collector.receive(3, share(3, 10))
    await collected
  })

  it('ignores a wrong signature and still takes a right one of the same consenter', async () => {
    const one = await alone()
    const collected = one.collector.collect(blockToSign(0))
    const wrong = { ...signatureOf(2, blockToSign(0)), signature: Buffer.from('wrong') }
    one.collector.receive(2, message(0, Purpose.SHARE, [wrong]))
    await turns()
    expect(one.counts.get('invalid')).to.equal(1)
    one.collector.receive(2, share(2, 0))
    one.collector.receive(3, share(3, 0))
    expect((await collected).map(idOf)).to.deep.equal([1, 2, 3])
  })

  it('counts a signature over another block as wrong', async () => {
    const one = await alone()
    void one.collector.collect(blockToSign(0)).catch(() => undefined)
    one.collector.receive(2, message(0, Purpose.SHARE, [signatureOf(2, blockToSign(1))]))
    await turns()
    expect(one.counts.get('invalid')).to.equal(1)
    await one.collector.stop()
  })

  it('tells the network who sent each signature that does not verify, whose ever it claims to be', async () => {
    const one = await alone()
    const collected = one.collector.collect(blockToSign(0))
    const wrong = [2, 3, 4, 9].map((id) => signatureOf(id, blockToSign(1)))
    one.collector.receive(2, message(0, Purpose.ANSWER, wrong))
    one.collector.receive(3, share(3, 0))
    await turns()
    expect(one.refused).to.deep.equal([2, 2, 2, 2])
    one.collector.receive(2, share(2, 0))
    expect((await collected).map(idOf), 'a good one counts again').to.deep.equal([1, 2, 3])
  })

  it('does not verify again what a sender repeats for a block, but what it sends instead', async () => {
    const one = await alone()
    void one.collector.collect(blockToSign(0)).catch(() => undefined)
    const wrong = (number: number): Uint8Array =>
      message(0, Purpose.SHARE, [signatureOf(2, blockToSign(number))])
    for (const number of [1, 1, 1, 2, 2, 1]) {
      one.collector.receive(2, wrong(number))
      await turns()
    }
    expect(one.verified).to.equal(3)
    expect(one.refused).to.deep.equal([2, 2, 2])
    one.collector.receive(3, message(0, Purpose.ANSWER, [signatureOf(2, blockToSign(1))]))
    await turns()
    expect(one.verified, 'of another sender').to.equal(4)
    await one.collector.stop()
  })

  it('tells which block waits longest, who signed it as it is here, and who something else', async () => {
    const one = await alone()
    expect(one.collector.oldestOpen).to.equal(undefined)
    const collected = one.collector.collect(blockToSign(7))
    await one.clock.advance(400)
    void one.collector.collect(blockToSign(8)).catch(() => undefined)
    const other = signatureOf(4, blockToSign(1))
    one.collector.receive(4, message(7, Purpose.SHARE, [other]))
    one.collector.receive(2, share(2, 7))
    await turns()
    expect(one.collector.oldestOpen).to.deep.equal({
      ...{ number: 7n, waitingMs: 400, signed: [1, 2], differing: [4], outvotedBy: [] },
    })
    // Relayed: 2 may have made it up.
    const relayed = [signatureOf(2, blockToSign(7)), signatureOf(3, blockToSign(1))]
    one.collector.receive(2, message(7, Purpose.ANSWER, relayed))
    await turns()
    expect(one.collector.oldestOpen?.differing).to.deep.equal([4])
    one.collector.receive(4, share(4, 7))
    await collected
    expect(one.collector.oldestOpen).to.deep.include({ number: 8n, waitingMs: 0 })
    await one.collector.stop()
    expect(one.collector.oldestOpen).to.equal(undefined)
  })

  it('takes back that a consenter signed something else when it signs the same', async () => {
    const one = await alone({ consenters: [1, 2, 3, 4, 5, 6, 7] })
    void one.collector.collect(blockToSign(0)).catch(() => undefined)
    one.collector.receive(4, message(0, Purpose.SHARE, [signatureOf(4, blockToSign(1))]))
    await turns()
    expect(one.collector.oldestOpen?.differing).to.deep.equal([4])
    one.collector.receive(4, share(4, 0))
    await turns()
    expect(one.collector.oldestOpen).to.deep.include({ signed: [1, 4], differing: [] })
    await one.collector.stop()
  })

  it('tells who says that a quorum signed something else: only whose own signature differs', async () => {
    const one = await alone({ self: 4 })
    void one.collector.collect(blockToSign(0)).catch(() => undefined)
    const other = blockToSign(1)
    const answer = (...ids: number[]): Uint8Array =>
      message(
        0,
        Purpose.ANSWER,
        ids.map((id) => signatureOf(id, other)),
      )
    one.collector.receive(1, message(0, Purpose.SHARE, [signatureOf(1, other)]))
    one.collector.receive(2, answer(1, 2, 3))
    one.collector.receive(3, answer(1, 2))
    await turns()
    expect(one.collector.oldestOpen).to.deep.include({ differing: [1, 2], outvotedBy: [2] })
    await one.collector.stop()
  })

  describe('of consenters that signed something else than a block that is complete', () => {
    const request = (id: number, number: number, signed: number): Uint8Array =>
      message(number, Purpose.REQUEST, [signatureOf(id, blockToSign(signed))])
    const complete = (one: Alone, ...numbers: number[]): void => {
      for (const number of numbers)
        one.archive.set(
          BigInt(number),
          [1, 2, 3].map((id) => signatureOf(id, blockToSign(number))),
        )
    }
    const dissentOf = async ({ collector }: Alone): Promise<[number, bigint][]> => {
      await turns()
      return [...collector.dissent]
    }

    it('keeps the lowest number, until they sign that one or a later one as it is', async () => {
      const one = await alone({ nextBlock: 9n })
      complete(one, 3, 5, 7)
      one.collector.receive(4, request(4, 5, 99))
      one.collector.receive(2, request(2, 5, 5))
      expect(await dissentOf(one)).to.deep.equal([[4, 5n]])
      one.collector.receive(4, request(4, 7, 99))
      expect(await dissentOf(one)).to.deep.equal([[4, 5n]])
      one.collector.receive(4, request(4, 3, 3))
      expect(await dissentOf(one), 'before it went wrong').to.deep.equal([[4, 5n]])
      one.collector.receive(4, request(4, 3, 99))
      expect(await dissentOf(one)).to.deep.equal([[4, 3n]])
      one.collector.receive(4, share(4, 3))
      expect(await dissentOf(one)).to.deep.equal([])
      expect(one.refused, 'the network hears of each that was wrong').to.deep.equal([4, 4, 4])
      await one.collector.stop()
    })

    it('hears of those, and of their end, also when the block becomes complete here', async () => {
      const one = await alone()
      const collected = one.collector.collect(blockToSign(0))
      one.collector.receive(4, message(0, Purpose.SHARE, [signatureOf(4, blockToSign(9))]))
      await turns()
      for (const id of [2, 3]) one.collector.receive(id, share(id, 0))
      await collected
      expect(await dissentOf(one)).to.deep.equal([[4, 0n]])
      void one.collector.collect(blockToSign(1)).catch(() => undefined)
      one.collector.receive(4, share(4, 1))
      expect(await dissentOf(one)).to.deep.equal([])
      await one.collector.stop()
    })

    it('believes nobody about another, and looks at no late share of who signs the same', async () => {
      const one = await alone({ nextBlock: 9n })
      complete(one, 5)
      const made = signatureOf(4, blockToSign(99))
      one.collector.receive(2, message(5, Purpose.REQUEST, [made]))
      one.collector.receive(2, message(5, Purpose.ANSWER, [made]))
      one.collector.receive(3, share(3, 5))
      expect(await dissentOf(one)).to.deep.equal([])
      expect(one.verified).to.equal(0)
      await one.collector.stop()
    })

    it('judges nobody by a signature that could not be checked, or of a block that is not here', async () => {
      const one = await alone({ nextBlock: 9n, verifier: () => Promise.reject(new Error('busy')) })
      complete(one, 5)
      one.collector.receive(4, request(4, 5, 99))
      one.collector.receive(4, request(4, 6, 99))
      expect(await dissentOf(one)).to.deep.equal([])
      await one.collector.stop()
    })
  })

  const malformed: [string, number, Uint8Array][] = [
    ['garbage', 2, Uint8Array.of(0xff)],
    ['nothing', 2, new Uint8Array()],
    ['another channel', 2, message(0, Purpose.SHARE, [signatureOf(2, blockToSign(0))], 'other')],
    ['an unknown purpose', 2, message(0, 7 as never, [signatureOf(2, blockToSign(0))])],
    ['no signature', 2, message(0, Purpose.SHARE, [])],
    ['a signature of another consenter', 2, share(3, 0)],
    [
      'more bytes than all signatures take',
      2,
      Buffer.concat([share(2, 0), Buffer.from('7a8827', 'hex'), Buffer.alloc(5_000)]),
    ],
    [
      'two signatures to share',
      2,
      message(0, Purpose.SHARE, [signatureOf(2, blockToSign(0)), signatureOf(3, blockToSign(0))]),
    ],
    [
      'more signatures than consenters',
      2,
      message(0, Purpose.ANSWER, Array<BlockSignature>(5).fill(signatureOf(2, blockToSign(0)))),
    ],
    [
      'a signature too long',
      2,
      message(0, Purpose.SHARE, [
        { ...signatureOf(2, blockToSign(0)), signature: Buffer.alloc(257) },
      ]),
    ],
    [
      'an identifier header too long',
      2,
      message(0, Purpose.SHARE, [
        {
          identifierHeader: Buffer.concat([
            signatureOf(2, blockToSign(0)).identifierHeader,
            Buffer.concat([Buffer.from('1a8201', 'hex'), Buffer.alloc(130)]),
          ]),
          signature: Buffer.alloc(1),
        },
      ]),
    ],
  ]
  for (const [what, from, bytes] of malformed) {
    it(`refuses ${what} without throwing`, async () => {
      const one = await alone()
      one.collector.receive(from, bytes)
      expect(one.counts.get('malformed')).to.equal(1)
    })
  }

  it('refuses a sender that is no consenter, or itself', async () => {
    const one = await alone()
    one.collector.receive(9, share(9, 0))
    one.collector.receive(1, share(1, 0))
    expect(one.counts.get('unknown_sender')).to.equal(2)
  })

  it('asks again, with its own signature, every interval until the block is complete', async () => {
    const one = await alone({ resendIntervalMs: 500 })
    const collected = one.collector.collect(blockToSign(0))
    await turns()
    await one.clock.advance(499)
    expect(one.sent).to.have.length(1)
    await one.clock.advance(1)
    await one.clock.advance(500)
    expect(decoded(one).map(({ purpose }) => purpose)).to.deep.equal([
      'REQUEST',
      'REQUEST',
      'REQUEST',
    ])
    one.collector.receive(2, share(2, 0))
    one.collector.receive(3, share(3, 0))
    await collected
    await one.clock.advance(5000)
    expect(one.sent, 'no more once it is complete').to.have.length(3)
  })

  it('asks at once after its start, and for as long as others have the blocks already', async () => {
    const one = await alone()
    const firstOf = async (number: number, answers: boolean): Promise<string | undefined> => {
      one.sent.length = 0
      const collected = one.collector.collect(blockToSign(number))
      await turns()
      const signatures = [2, 3, 4].map((id) => signatureOf(id, blockToSign(number)))
      if (answers) one.collector.receive(2, message(number, Purpose.ANSWER, signatures))
      else for (const id of [2, 3]) one.collector.receive(id, share(id, number))
      await collected
      return decoded(one)[0]?.purpose
    }
    expect(await firstOf(0, true)).to.equal('REQUEST')
    expect(await firstOf(1, true), 'others were ahead').to.equal('REQUEST')
    expect(await firstOf(2, false), 'still').to.equal('REQUEST')
    expect(await firstOf(3, false), 'level with them').to.equal('SHARE')
    expect(await firstOf(4, true), 'ahead again').to.equal('SHARE')
    expect(await firstOf(5, false)).to.equal('REQUEST')
  })

  it('asks for the oldest blocks first, no more than the bound at a time', async () => {
    const one = await alone({ maxResends: 2 })
    for (const number of [3, 1, 2]) {
      void one.collector.collect(blockToSign(number)).catch(() => undefined)
    }
    await turns()
    one.sent.length = 0
    await one.clock.advance(500)
    expect(decoded(one).map(({ number }) => number)).to.deep.equal([1n, 2n])
    await one.collector.stop()
  })

  it('answers who asks for a block that is complete, with all its signatures', async () => {
    const one = await alone()
    const stored = [1, 2, 3].map((id) => signatureOf(id, blockToSign(0)))
    one.archive.set(0n, stored)
    const request = message(0, Purpose.REQUEST, [signatureOf(4, blockToSign(0))])
    one.collector.receive(4, request)
    await turns()
    expect(decoded(one)).to.deep.equal([{ to: 4, number: 0n, purpose: 'ANSWER' }])
    const other = await alone({ self: 4 })
    const collected = other.collector.collect(blockToSign(0))
    other.collector.receive(1, one.sent[0]!.bytes)
    expect((await collected).map(idOf), 'one answer is enough').to.deep.equal([1, 2, 4])
  })

  it('answers for a block that it completed without reading it', async () => {
    const one = await alone()
    const collected = one.collector.collect(blockToSign(0))
    for (const id of [2, 3]) one.collector.receive(id, share(id, 0))
    await collected
    one.sent.length = 0
    one.collector.receive(4, message(0, Purpose.REQUEST, [signatureOf(4, blockToSign(0))]))
    await turns()
    expect(decoded(one)).to.deep.equal([{ to: 4, number: 0n, purpose: 'ANSWER' }])
    const { signatures } = decode(heddle.BlockSignaturesSchema, one.sent[0]!.bytes)
    expect(signatures.map(idOf)).to.deep.equal([1, 2, 3])
    await one.collector.stop()
  })

  it('does not answer a share or an answer, or a request for what it lacks', async () => {
    const one = await alone()
    one.archive.set(0n, [signatureOf(1, blockToSign(0))])
    one.collector.receive(4, share(4, 0))
    one.collector.receive(4, message(0, Purpose.ANSWER, [signatureOf(4, blockToSign(0))]))
    one.collector.receive(4, message(7, Purpose.REQUEST, [signatureOf(4, blockToSign(7))]))
    await turns()
    expect(one.sent).to.have.length(0)
  })

  it('drops requests above the number that it answers at a time', async () => {
    const one = await alone({ maxAnswersInFlight: 2 })
    for (const number of [0, 0, 1, 2]) {
      one.archive.set(BigInt(number), [signatureOf(1, blockToSign(number))])
      one.collector.receive(
        4,
        message(number, Purpose.REQUEST, [signatureOf(4, blockToSign(number))]),
      )
    }
    await turns()
    expect(one.counts.get('answered')).to.equal(2)
    expect(one.counts.get('answer_dropped'), 'one repeated, one too many').to.equal(2)
  })

  it('answers one consenter though another one asks for more than its share', async () => {
    const one = await alone({ maxAnswersInFlight: 1 })
    for (const [from, number] of [
      [4, 0],
      [4, 1],
      [3, 2],
    ] as const) {
      one.archive.set(BigInt(number), [signatureOf(1, blockToSign(number))])
      const signature = signatureOf(from, blockToSign(number))
      one.collector.receive(from, message(number, Purpose.REQUEST, [signature]))
    }
    await turns()
    expect(decoded(one).map(({ to, number }) => [to, number])).to.deep.equal([
      [4, 0n],
      [3, 2n],
    ])
  })

  it('does not verify more than one signature of a consenter from one sender at a time', async () => {
    const one = await alone()
    void one.collector.collect(blockToSign(0)).catch(() => undefined)
    const wrong = { ...signatureOf(2, blockToSign(0)), signature: Buffer.from('wrong') }
    for (let count = 0; count < 100; count++) {
      one.collector.receive(2, message(0, Purpose.SHARE, [wrong]))
    }
    await turns()
    expect(one.verified).to.equal(1)
    await one.collector.stop()
  })

  it('takes a signature of its author while a wrong one that another relays is being checked', async () => {
    const one = await alone()
    const collected = one.collector.collect(blockToSign(0))
    const wrong = { ...signatureOf(3, blockToSign(0)), signature: Buffer.alloc(32) }
    one.collector.receive(2, message(0, Purpose.ANSWER, [wrong]))
    one.collector.receive(3, share(3, 0))
    one.collector.receive(4, share(4, 0))
    expect((await collected).map(idOf)).to.deep.equal([1, 3, 4])
  })

  it('counts a signature that two relay at the same moment as one', async () => {
    const one = await alone()
    let done = false
    const collected = one.collector.collect(blockToSign(0)).then((signatures) => {
      done = true
      return signatures
    })
    const relayed = message(0, Purpose.ANSWER, [signatureOf(4, blockToSign(0))])
    one.collector.receive(2, relayed)
    one.collector.receive(3, relayed)
    await turns()
    expect([done, one.collector.oldestOpen?.signed]).to.deep.equal([false, [1, 4]])
    one.collector.receive(3, share(3, 0))
    expect((await collected).map(idOf)).to.deep.equal([1, 3, 4])
  })

  it('does not collect the signature of somebody who is no consenter, whoever relays it', async () => {
    const one = await alone()
    const collected = one.collector.collect(blockToSign(0))
    const strangers = [5, 6].map((id) => signatureOf(id, blockToSign(0)))
    one.collector.receive(2, message(0, Purpose.ANSWER, strangers))
    await turns()
    expect(one.collector.oldestOpen?.signed).to.deep.equal([1])
    expect(one.counts.get('invalid')).to.equal(2)
    expect(one.verified, 'and costs no check').to.equal(0)
    one.collector.receive(2, share(2, 0))
    one.collector.receive(3, share(3, 0))
    expect((await collected).map(idOf)).to.deep.equal([1, 2, 3])
  })

  it('rejects above the number of open blocks, and takes more when one is complete', async () => {
    const one = await alone({ maxOpenBlocks: 2 })
    const first = one.collector.collect(blockToSign(0))
    void one.collector.collect(blockToSign(1)).catch(() => undefined)
    const error = await one.collector.collect(blockToSign(2)).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'ORDERER_TOO_MANY_BLOCKS')
    one.collector.receive(2, share(2, 0))
    one.collector.receive(3, share(3, 0))
    await first
    void one.collector.collect(blockToSign(2)).catch(() => undefined)
    expect(one.collector.openBlocks).to.equal(2)
    await one.collector.stop()
  })

  it('rejects with the reason of an aborted signal and forgets the block', async () => {
    const one = await alone()
    const controller = new AbortController()
    const collected = one.collector.collect(blockToSign(0), { signal: controller.signal })
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await collected.catch((error: unknown) => error)).to.equal(reason)
    expect(one.collector.openBlocks).to.equal(0)
  })

  it('rejects with what the signer throws', async () => {
    const failure = new Error('no key')
    const collector = new BlockSignatureCollector(
      {
        network: { broadcast: () => undefined, send: () => undefined },
        signer: { sign: () => Promise.reject(failure) },
        verifier: { verify: () => false },
        archive: { block: () => Promise.resolve(undefined) },
        clock: new VirtualClock(),
      },
      { channelId, self: 1, consenters },
    )
    await collector.start()
    const error = await collector.collect(blockToSign(0)).catch((e: unknown) => e)
    expect(error).to.equal(failure)
    expect(collector.openBlocks).to.equal(0)
  })

  it('rejects everything open when it stops, and leaves no timer', async () => {
    const one = await alone()
    const collected = one.collector.collect(blockToSign(0)).catch((error: unknown) => error)
    await one.collector.stop()
    await one.collector.stop()
    expect(await collected).to.have.property('code', 'ORDERER_STOPPED')
    const late = await one.collector.collect(blockToSign(1)).catch((error: unknown) => error)
    expect(late).to.have.property('code', 'ORDERER_STOPPED')
    expect(one.clock.pending).to.equal(0)
    const again = await one.collector.start().catch((error: unknown) => error)
    expect(again).to.have.property('code', 'ORDERER_STOPPED')
  })

  it('refuses an option that it does not know, and says which was meant', () => {
    const mistyped = { channelId, self: 1, consenters: [1], nextblock: 5n }
    expect(() => new BlockSignatureCollector({} as never, mistyped))
      .to.throw(/^there is no option nextblock \(did you mean nextBlock\?\); there are channelId, /)
      .with.property('code', 'ORDERER_INVALID_OPTIONS')
  })

  it('refuses consenters that are not distinct or lack itself', () => {
    for (const ids of [[1, 1], [2, 3], []]) {
      expect(
        () => new BlockSignatureCollector({} as never, { channelId, self: 1, consenters: ids }),
        ids.join(),
      )
        .to.throw()
        .with.property('code', 'ORDERER_INVALID_OPTIONS')
    }
  })

  describe('in a network that loses most messages', () => {
    for (const seed of [1, 2, 3]) {
      it(`completes every block everywhere with one consenter down (seed ${seed})`, async () => {
        const clock = new VirtualClock()
        const random = sequence(seed)
        const stored = new Map(consenters.map((id) => [id, new Map<bigint, BlockSignature[]>()]))
        const up = [1, 2, 4]
        const nodes = new Map<number, BlockSignatureCollector>()
        const deliver = (from: number, to: number, bytes: Uint8Array): void => {
          if (random() < 0.7) return
          clock.schedule(random() * 50, () => nodes.get(to)?.receive(from, bytes))
        }
        for (const self of up) {
          const node = new BlockSignatureCollector(
            {
              network: {
                broadcast: (bytes) => {
                  for (const to of consenters) if (to !== self) deliver(self, to, bytes)
                },
                send: (to, bytes) => deliver(self, to, bytes),
              },
              signer: { sign: (bytes) => fakeSignature(self, bytes) },
              verifier: {
                verify: (id, bytes, signature) => fakeSignature(id, bytes).equals(signature),
              },
              archive: { block: (number) => Promise.resolve(archived(stored.get(self)!, number)) },
              clock,
            },
            { channelId, self, consenters, resendIntervalMs: 100 },
          )
          await node.start()
          nodes.set(self, node)
        }
        for (const [self, node] of nodes) {
          for (let number = 0; number < 20; number++) {
            clock.schedule(random() * 1000, () => {
              void node
                .collect(blockToSign(number))
                .then((signatures) => stored.get(self)!.set(BigInt(number), signatures))
            })
          }
        }
        for (let count = 0; count < 200; count++) {
          await clock.advance(50)
          await turns()
        }
        for (const self of up) expect(stored.get(self)!.size, `consenter ${self}`).to.equal(20)
        for (const node of nodes.values()) await node.stop()
      })
    }
  })
})

/** A small repeatable sequence of numbers from 0 to 1 (mulberry32). */
function sequence(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

import { expect } from 'chai'
import fc from 'fast-check'
import { create, encode, pbft } from '@heddle/proto'
import { decodeMessage, encodeStatement, fromHex } from '../../../src/wire/codec.ts'
import type { Message, SignedStatement } from '../../../src/core/messages.ts'
import { maxClaims } from '../../../src/core/state.ts'
import type { JournalRecord } from '../../../src/core/protocol.ts'
import { Encoder, encodeForward } from '../../../src/wire/encoder.ts'
import { decodeFrame, frameOf } from '../../../src/wire/frame.ts'
import { openCheckpoint, openNewView, openViewChange } from '../../../src/wire/opening.ts'
import { decodeRecord } from '../../../src/wire/record-codec.ts'
import { encodeVote } from '../../../src/wire/vote-codec.ts'
import {
  batchOf,
  certificate,
  checkpoint,
  claim,
  newView,
  stateDigest,
  viewChange,
  unheard,
} from '../../support/cores.ts'

const digest = batchOf('a').digest
const u64 = fc.bigInt(0n, (1n << 64n) - 1n)

/** Gives a statement the proof that its bytes make. */
function prove<T extends SignedStatement>(statement: T): T {
  return { ...statement, proof: { body: encodeStatement(statement), signature: Buffer.from('s') } }
}

const provenCheckpoints = certificate(2n).map((c) => prove(c))
const provenChange = prove(
  viewChange(1, 3n, {
    lowWatermark: 2n,
    stable: provenCheckpoints,
    prepared: [claim(3n, digest, 1n)],
    prePrepared: [claim(3n, digest, 2n)],
  }),
)

describe('codec', () => {
  it('has votes in the same bytes as the general codec, in both directions, for all numbers', () => {
    fc.assert(
      fc.property(u64, u64, fc.constantFrom('prepare', 'commit'), (view, sequence, type) => {
        const value = create(pbft.VoteSchema, { view, sequence, digest: fromHex(digest) })
        const general = encode(
          pbft.MessageSchema,
          create(pbft.MessageSchema, { payload: { case: type, value } }),
        )
        const bytes = encodeVote(type, { view, sequence, digest })
        expect(bytes.toString('hex')).to.equal(Buffer.from(general).toString('hex'))
        expect(decodeMessage(bytes)).to.deep.equal({
          type: 'plain',
          message: { type, view, sequence, digest },
        })
      }),
      { numRuns: 300, seed: 1 },
    )
  })

  it('has a record of a pre-prepare, and of a prepared batch, in the bytes of the message', () => {
    const assignment = { view: 3n, sequence: 7n, batch: batchOf('a', 'b') }
    const encoder = new Encoder()
    const record = encoder.record({ type: 'pre-prepared', ...assignment })
    expect(encoder.message({ type: 'pre-prepare', ...assignment })).to.equal(record)
    const value = create(pbft.PrePrepareSchema, {
      view: 3n,
      sequence: 7n,
      batch: create(pbft.BatchSchema, { requests: [Buffer.from('a'), Buffer.from('b')] }),
    })
    const general = encode(
      pbft.RecordSchema,
      create(pbft.RecordSchema, { entry: { case: 'prePrepared', value } }),
    )
    expect(Buffer.from(record).equals(general)).to.equal(true)
  })

  it('encodes a batch anew for another view', () => {
    const encoder = new Encoder()
    const batch = batchOf('a')
    encoder.message({ type: 'pre-prepare', view: 0n, sequence: 1n, batch })
    const again = decodeMessage(
      Buffer.from(encoder.message({ type: 'pre-prepare', view: 4n, sequence: 1n, batch })),
    )
    expect(again).to.deep.include({ type: 'pre-prepare', view: 4n })
  })

  it('gives back every plain message', () => {
    const slots = [{ prePrepared: true, prepared: false, committed: false }]
    const messages: Message[] = [
      {
        type: 'status',
        view: 1n,
        active: false,
        lastExecuted: 2n,
        lowWatermark: 3n,
        viewChanges: [1, 2],
        slots,
        digests: [stateDigest(2n), 'ff'.repeat(64)],
        ...{ query: 7n, reply: 8n, echo: 9n, acceptsLoss: true },
        heard: [
          { view: 0n, accepted: 0n, committed: 0n },
          { view: 1n, accepted: 2n, committed: 3n },
        ],
      },
      { type: 'fetch-batch', sequence: 4n, digest },
    ]
    for (const message of messages)
      expect(decodeMessage(Buffer.from(new Encoder().message(message)))).to.deep.equal({
        type: 'plain',
        message,
      })
    expect(decodeMessage(encodeForward(Buffer.from('r')))).to.deep.equal({
      type: 'forward',
      request: Buffer.from('r'),
    })
  })

  it('opens what was signed from the bytes that were signed', () => {
    const [first] = provenCheckpoints
    expect(openCheckpoint(first!.proof)).to.deep.equal(first)
    expect(openViewChange(provenChange.proof)).to.deep.equal(provenChange)
    const begun = prove(newView(3n, [provenChange]))
    expect(openNewView(begun.proof)).to.deep.equal(begun)
  })

  it('gives back every journal record', () => {
    const records: JournalRecord[] = [
      { type: 'pre-prepared', view: 1n, sequence: 2n, batch: batchOf('a', 'b') },
      { type: 'prepared', view: 1n, sequence: 2n, digest },
      { type: 'view-change', viewChange: provenChange },
      { type: 'new-view', newView: prove(newView(3n, [provenChange])) },
      { type: 'checkpoint', checkpoint: prove(checkpoint(1, 2n)) },
      { type: 'stable', certificate: { type: 'certificate', checkpoints: provenCheckpoints } },
    ]
    for (const record of records) {
      const bytes = new Encoder().record(record)
      const decoded = decodeRecord(bytes)
      expect(decoded.type).to.equal(record.type)
      expect(Buffer.from(new Encoder().record(decoded)).equals(bytes), record.type).to.equal(true)
    }
  })

  it('decodes every truncated and every altered message, or refuses it with a code', () => {
    const encoder = new Encoder()
    const messages = [
      encoder.message({ type: 'pre-prepare', view: 3n, sequence: 7n, batch: batchOf('a', 'b') }),
      encoder.message({ type: 'commit', view: 3n, sequence: 7n, digest }),
      encoder.message(provenChange),
      encoder.message({
        type: 'status',
        view: 1n,
        active: true,
        lastExecuted: 2n,
        lowWatermark: 3n,
        viewChanges: [1],
        slots: [],
        digests: [stateDigest(2n)],
        ...{ query: 0n, reply: 0n },
        ...unheard,
      }),
    ]
    for (const message of messages) {
      const frame = frameOf(message)
      for (let at = 0; at < frame.length; at++) {
        const altered = Buffer.from(frame)
        altered[at]! ^= 0x55
        for (const bytes of [frame.subarray(0, at), altered]) {
          try {
            for (const part of decodeFrame(bytes)) decodeMessage(part)
          } catch (error) {
            expect(error, `byte ${at}`).to.have.property('code', 'PBFT_MALFORMED')
          }
        }
      }
    }
  })

  it('refuses digests of a wrong length and messages of no kind', () => {
    const value = create(pbft.VoteSchema, { view: 1n, sequence: 1n, digest: Buffer.alloc(31) })
    const short = encode(
      pbft.MessageSchema,
      create(pbft.MessageSchema, { payload: { case: 'commit', value } }),
    )
    expect(() => decodeMessage(short))
      .to.throw()
      .with.property('code', 'PBFT_MALFORMED')
    expect(() => decodeMessage(Buffer.alloc(0)))
      .to.throw()
      .with.property('code', 'PBFT_MALFORMED')
    expect(() => decodeRecord(Buffer.alloc(0)))
      .to.throw()
      .with.property('code', 'PBFT_MALFORMED')
  })

  it('refuses a status with a claim too many, or one that is no digest', () => {
    const statusWith = (...digests: string[]) => {
      const value = create(pbft.StatusSchema, { digests: digests.map(fromHex) })
      const payload = { case: 'status', value } as const
      return encode(pbft.MessageSchema, create(pbft.MessageSchema, { payload }))
    }
    const claims = Array.from({ length: maxClaims }, () => digest)
    expect(decodeMessage(statusWith(...claims))).to.deep.include({ type: 'plain' })
    for (const digests of [[...claims, digest], [''], ['ff'.repeat(65)]])
      expect(() => decodeMessage(statusWith(...digests)))
        .to.throw()
        .with.property('code', 'PBFT_MALFORMED')
  })

  it('puts frames together as protobuf would', () => {
    const parts = [Buffer.alloc(1, 1), Buffer.alloc(200, 2), Buffer.alloc(70_000, 3)]
    expect(decodeFrame(Buffer.concat(parts.map(frameOf)))).to.deep.equal(parts)
  })
})

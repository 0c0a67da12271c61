import { expect } from 'chai'
import { decodeMessage, encodeStatement } from '../../../src/wire/codec.ts'
import { maxClaims, maxPrePreparedPerSequence } from '../../../src/core/state.ts'
import type { Checkpoint, Claim, Message, ViewChange } from '../../../src/core/messages.ts'
import { Encoder, encodeForward } from '../../../src/wire/encoder.ts'
import { decodeFrame, frameOf, maxFrameMessages } from '../../../src/wire/frame.ts'
import { maxSignatureBytes, messageLimits } from '../../../src/wire/message-limits.ts'
import { resolveReplicaOptions } from '../../../src/options.ts'
import { decodeRecord } from '../../../src/wire/record-codec.ts'
import { batchOf, newView, signed, stateDigest, viewChange } from '../../support/cores.ts'

const options = { id: 0, n: 4, batchSize: 3, maxBatchBytes: 100, maxRequestBytes: 50 }
const limits = messageLimits(
  resolveReplicaOptions({ ...options, checkpointPeriod: 2, logMultiplier: 2 }),
)
const maxUint64 = (1n << 64n) - 1n
const encoded = (message: Message): Buffer => Buffer.from(new Encoder().message(message))
const decodeLimited = (bytes: Buffer) => decodeMessage(bytes, limits)
const prePrepare = (...names: string[]): Buffer =>
  encoded({ type: 'pre-prepare', view: 1n, sequence: 2n, batch: batchOf(...names) })

function expectMalformed(act: () => unknown): void {
  expect(act).to.throw().with.property('code', 'PBFT_MALFORMED')
}

/** A field of `heddle.pbft.Message` with these bytes. */
function field(tag: number, content: Buffer): Buffer {
  const bytes = frameOf(content)
  bytes[0] = tag
  return bytes
}

/** As large as a correct replica can make one. */
function largestViewChange(): ViewChange {
  const signature = Buffer.alloc(maxSignatureBytes)
  const lowWatermark = maxUint64 - 3n
  const stable = [0, 1, 2, 3].map((replica) => {
    const digest = 'ff'.repeat(64)
    const one = signed({ type: 'checkpoint', replica, sequence: lowWatermark, digest })
    return { ...one, proof: { body: encodeStatement(one), signature } } as Checkpoint
  })
  const claims = (perSequence: number): Claim[] =>
    [0n, 1n, 2n, 3n].flatMap((at) =>
      Array.from({ length: perSequence }, () => ({
        ...{ view: maxUint64, sequence: lowWatermark + at, digest: stateDigest(0n) },
      })),
    )
  const content = { lowWatermark, stable, prepared: claims(1) }
  const prePrepared = claims(maxPrePreparedPerSequence)
  const largest = viewChange(3, maxUint64, { ...content, prePrepared })
  return { ...largest, proof: { body: encodeStatement(largest), signature } }
}

describe('limits of messages', () => {
  it('let through the largest messages of a correct replica', () => {
    const largest = largestViewChange()
    const body = encodeStatement(newView(maxUint64, [largest, largest, largest, largest]))
    const proof = { body, signature: Buffer.alloc(maxSignatureBytes) }
    const slots = Array.from({ length: 8 }, () => ({
      ...{ prePrepared: true, prepared: true, committed: true },
    }))
    for (const message of [
      largest,
      { ...newView(maxUint64, []), proof },
      { type: 'certificate', checkpoints: largest.stable },
      {
        ...{ type: 'status', view: maxUint64, active: true, lastExecuted: maxUint64 },
        ...{ lowWatermark: maxUint64, viewChanges: [0, 1, 2, 3], slots },
        digests: Array.from({ length: maxClaims }, () => 'ff'.repeat(64)),
        ...{ query: maxUint64, reply: maxUint64, echo: maxUint64, acceptsLoss: true },
        heard: Array.from({ length: 4 }, () => ({
          ...{ view: maxUint64, accepted: maxUint64, committed: maxUint64 },
        })),
      },
    ] satisfies Message[])
      expect(decodeLimited(encoded(message)), message.type).to.have.property('type')
  })

  it('refuse a message with one byte more than its kind may have', () => {
    const tags = { checkpoint: 0x22, viewChange: 0x2a, newView: 0x32, status: 0x3a } as const
    for (const [kind, tag] of Object.entries(tags)) {
      const bytes = limits.bytes[kind as keyof typeof tags] + 1
      expectMalformed(() => decodeLimited(field(tag, Buffer.alloc(bytes))))
    }
    expect(decodeLimited(encodeForward(Buffer.alloc(50)))).to.have.property('type', 'forward')
    expectMalformed(() => decodeLimited(encodeForward(Buffer.alloc(51))))
  })

  it('refuse a batch with more than batchSize requests, before it is spread out', () => {
    expect(decodeLimited(prePrepare('a', 'b', 'c'))).to.have.property('type', 'pre-prepare')
    expectMalformed(() => decodeLimited(prePrepare('a', 'b', 'c', 'd')))
    const batch = (...names: string[]) => encoded({ type: 'batch', batch: batchOf(...names) })
    expect(decodeLimited(batch('a', 'b', 'c'))).to.have.property('type', 'batch')
    expectMalformed(() => decodeLimited(batch('a', 'b', 'c', 'd')))
  })

  it('refuse a frame with more than maxFrameMessages messages', () => {
    const frames = Array.from({ length: maxFrameMessages }, () => frameOf(Buffer.alloc(0)))
    expect(decodeFrame(Buffer.concat(frames))).to.have.length(maxFrameMessages)
    expectMalformed(() => decodeFrame(Buffer.concat([...frames, frameOf(Buffer.alloc(0))])))
  })
})

describe('pre-prepares, whose bytes go into the journal as they came', () => {
  it('carry nothing that would make the journal unreadable', () => {
    // Field 6 holds other things in a message and in a journal entry: good as one, bad as the other.
    const poison = field(0x32, Buffer.from([0x0a, 1, 0xff]))
    expectMalformed(() => decodeRecord(Buffer.concat([poison, prePrepare('a')])))
    expectMalformed(() => decodeMessage(Buffer.concat([poison, prePrepare('a')])))
  })

  it('carry nothing but what they say, in the one way to say it', () => {
    const honest = prePrepare('a')
    const content = honest.subarray(2)
    for (const [what, bytes] of Object.entries({
      twice: Buffer.concat([honest, honest]),
      'an unknown field beside': Buffer.concat([honest, Buffer.from([0x7a, 0])]),
      'an unknown field inside': field(0x0a, Buffer.concat([content, Buffer.from([0x22, 0])])),
      'a long number': field(0x0a, Buffer.concat([Buffer.from([8, 0x81, 0]), content.subarray(2)])),
      'a default value': field(0x0a, Buffer.concat([Buffer.from([8, 0]), content.subarray(2)])),
      'a number over 64 bits': field(
        0x0a,
        Buffer.concat([Buffer.from([8, ...Array<number>(9).fill(0xff), 2]), content.subarray(2)]),
      ),
      'its end missing': field(0x0a, content.subarray(0, -1)),
    }))
      expect(() => decodeMessage(bytes), what)
        .to.throw()
        .with.property('code', 'PBFT_MALFORMED')
    expect(decodeMessage(honest)).to.deep.include({ view: 1n, sequence: 2n })
  })
})

import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import type { Logger } from '@heddle/interface'
import { common, decode, orderer } from '@heddle/proto'
import { resolvePullOptions } from '../../src/deliver-options.ts'
import { decodeDeliverResponse } from '../../src/deliver-response.ts'
import {
  DeliverError,
  type SeekRequest,
  seekEnvelope,
  signedEnvelope,
  transactionId,
} from '../../src/index.ts'
import { answerFrame, blockFrame, statusFrame } from '../network.ts'
import { recordedBytes } from '../recorded.ts'

const signer = {
  serialized: Buffer.from('me'),
  sign: (message: Uint8Array) => createHash('sha256').update('mine').update(message).digest(),
}
const clock = new VirtualClock({ wallTimeMs: 1_700_000_000_999 })

function opened(bytes: Uint8Array): {
  readonly channelHeader: common.ChannelHeader
  readonly signatureHeader: common.SignatureHeader
  readonly data: Uint8Array
} {
  const { payload, signature } = decode(common.EnvelopeSchema, bytes)
  expect(Buffer.from(signature)).to.deep.equal(signer.sign(payload))
  const { header, data } = decode(common.PayloadSchema, payload)
  return {
    channelHeader: decode(common.ChannelHeaderSchema, header!.channelHeader),
    signatureHeader: decode(common.SignatureHeaderSchema, header!.signatureHeader),
    data,
  }
}

describe('signedEnvelope', () => {
  const content = {
    channelId: 'ch',
    type: common.HeaderType.ENDORSER_TRANSACTION,
    data: Buffer.from('data'),
    signer,
    clock,
  }

  it('signs the payload, names its transaction id and whole seconds', async () => {
    const { bytes, txId } = await signedEnvelope(content)
    const { channelHeader, signatureHeader, data } = opened(bytes)
    expect(channelHeader).to.deep.include({ type: 3, channelId: 'ch', txId, epoch: 0n, version: 0 })
    expect(channelHeader.timestamp).to.deep.include({ seconds: 1_700_000_000n, nanos: 0 })
    expect(Buffer.from(data).toString()).to.equal('data')
    expect(Buffer.from(signatureHeader.creator).toString()).to.equal('me')
    expect(signatureHeader.nonce).to.have.length(24)
    expect(txId).to.equal(transactionId(signatureHeader.nonce, signer.serialized))
    expect(txId).to.match(/^[0-9a-f]{64}$/)
  })

  it('has another id each time, and the same with the same nonce', async () => {
    const [first, second] = await Promise.all([signedEnvelope(content), signedEnvelope(content)])
    expect(first.txId).to.not.equal(second.txId)
    const nonce = Buffer.from('the same')
    const fixed = await signedEnvelope({ ...content, nonce })
    expect(await signedEnvelope({ ...content, nonce })).to.deep.equal(fixed)
  })

  it('is refused to a signer whose certificate has expired, instead of sent to be forbidden', async () => {
    const at = (ms: number): Date => new Date(clock.wallTime() + ms)
    const subject = 'CN=user1'
    const sent = async (dates: object): Promise<string> => {
      try {
        await signedEnvelope({ ...content, signer: { ...signer, subject, ...dates } })
        return 'sent'
      } catch (error) {
        expect(error)
          .to.be.instanceOf(DeliverError)
          .with.property('code', 'DELIVER_SIGNER_NOT_VALID')
        return (error as DeliverError).message
      }
    }
    expect(await sent({ notBefore: at(0), expiresAt: at(0) })).to.equal('sent')
    const expired = await sent({ notBefore: at(-9), expiresAt: at(-1) })
    expect(expired).to.contain('"CN=user1" expired at 2023-11-14T22:13:20.998Z')
    expect(expired).to.contain('clock says 2023-11-14T22:13:20.999Z')
    expect(await sent({ notBefore: at(1), expiresAt: at(9) }), 'not valid yet').to.equal('sent')
  })

  it('is said, once, to be of a certificate that is not valid yet', () => {
    const warned: unknown[] = []
    const nothing = (): void => undefined
    const logger: Logger = {
      debug: nothing,
      info: nothing,
      warn: (event, fields) => warned.push({ event, ...fields }),
      error: nothing,
      child: () => logger,
    }
    const resolve = (notBeforeMs: number): void => {
      const notBefore = new Date(clock.wallTime() + notBeforeMs)
      const early = { ...signer, subject: 'CN=user1', notBefore }
      resolvePullOptions({ signer: early, clock, logger }, { channelId: 'ch', endpoints: [] }, 1)
    }
    resolve(0)
    expect(warned).to.deep.equal([])
    resolve(1)
    expect(warned).to.deep.equal([
      {
        event: "the signer's own certificate is not valid yet",
        subject: 'CN=user1',
        from: '2023-11-14T22:13:21.000Z',
        now: '2023-11-14T22:13:20.999Z',
      },
    ])
  })

  it('gives the transaction id that Fabric gave', () => {
    // From the genesis block of the recorded network bft-v3.1.5; its creator is empty.
    const { channelHeader, signatureHeader } = openedUnsigned(recordedBytes('bft-v3.1.5')[0]!)
    expect(transactionId(signatureHeader.nonce, signatureHeader.creator)).to.equal(
      channelHeader.txId,
    )
  })

  it('carries an extension and the hash of a TLS certificate', async () => {
    const { bytes } = await signedEnvelope({
      ...content,
      extension: Buffer.from('more'),
      tlsCertHash: Buffer.from('hash'),
    })
    const { channelHeader } = opened(bytes)
    expect(Buffer.from(channelHeader.extension).toString()).to.equal('more')
    expect(Buffer.from(channelHeader.tlsCertHash).toString()).to.equal('hash')
  })
})

function openedUnsigned(block: Uint8Array): {
  readonly channelHeader: common.ChannelHeader
  readonly signatureHeader: common.SignatureHeader
} {
  const { data } = decode(common.BlockSchema, block).data!
  const { header } = decode(common.PayloadSchema, decode(common.EnvelopeSchema, data[0]!).payload)
  return {
    channelHeader: decode(common.ChannelHeaderSchema, header!.channelHeader),
    signatureHeader: decode(common.SignatureHeaderSchema, header!.signatureHeader),
  }
}

describe('seekEnvelope', () => {
  // Golden vectors made with the Go libraries of fabric v3.0.0.
  const golden: [string, Partial<SeekRequest>, string][] = [
    ['blocks from 5 on', { start: 5n }, '0a041a020805120d1a0b08ffffffffffffffffff01'],
    ['blocks from 0 on', { start: 0n }, '0a021a00120d1a0b08ffffffffffffffffff01'],
    ['blocks from the oldest on', { start: 'oldest' }, '0a021200120d1a0b08ffffffffffffffffff01'],
    [
      'headers from 5 on',
      { start: 5n, contentType: orderer.SeekInfo_SeekContentType.HEADER_WITH_SIG },
      '0a041a020805120d1a0b08ffffffffffffffffff012801',
    ],
    ['the newest block', { start: 'newest', stop: 'newest' }, '0a020a0012020a00'],
    [
      'the next block, if not ready fail, best effort',
      {
        start: 'nextCommit',
        stop: 7n,
        behavior: orderer.SeekInfo_SeekBehavior.FAIL_IF_NOT_READY,
        errorResponse: orderer.SeekInfo_SeekErrorResponse.BEST_EFFORT,
      },
      '0a02220012041a02080718012001',
    ],
  ]
  for (const [what, range, expected] of golden) {
    it(`asks for ${what} with Fabric's bytes`, async () => {
      const request = { channelId: 'ch', signer, clock, start: 0n, ...range }
      const { channelHeader, data } = opened(await seekEnvelope(request))
      expect(Buffer.from(data).toString('hex')).to.equal(expected)
      expect(channelHeader).to.deep.include({ type: 5, channelId: 'ch', txId: '' })
    })
  }
})

describe('decodeDeliverResponse', () => {
  it('keeps the bytes of a block as they came', () => {
    for (const stored of recordedBytes('bft-v3.1.5').slice(0, 6)) {
      const frame = decodeDeliverResponse(blockFrame(stored))
      expect(frame).to.have.property('block')
      const { bytes } = (frame as { block: { bytes: Uint8Array } }).block
      expect(Buffer.from(bytes).equals(stored)).to.equal(true)
    }
  })

  it('reads a status', () => {
    expect(decodeDeliverResponse(statusFrame(common.Status.FORBIDDEN))).to.deep.equal({
      status: 403,
    })
    expect(decodeDeliverResponse(answerFrame(common.Status.SUCCESS))).to.deep.equal({ status: 200 })
  })

  it('knows nothing else', () => {
    const block = blockFrame(recordedBytes('bft-v3.1.5')[1]!)
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from([0x12]),
      Buffer.from([0x12, 0x80]),
      Buffer.from('12ffffffffffffffffff01', 'hex'),
      Buffer.from('1a0161', 'hex'),
      Buffer.concat([block, block]),
      block.subarray(0, block.length - 1),
      Buffer.from('120161', 'hex'),
    ]) {
      expect(decodeDeliverResponse(bytes), bytes.subarray(0, 12).toString('hex')).to.equal(
        undefined,
      )
    }
  })
})

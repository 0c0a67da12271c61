import { X509Certificate, verify } from 'node:crypto'
import { expect } from 'chai'
import {
  blockHeaderBytes,
  blockHeaderHash,
  blockMetadata,
  blockSignaturePreimage,
  buildBlock,
  common,
  decode,
  encode,
  msp,
  ordererMetadataValue,
  signaturesSlot,
} from '../../src/index.ts'
import { fixture } from '../support/fixtures.ts'

function recorded(path: string): common.Block {
  return decode(common.BlockSchema, fixture(`${path}.block`))
}

describe('block building', () => {
  it('builds a recorded block again, byte for byte', () => {
    const block = recorded('bft-v3.1.5/orderer/005')
    const slot = decode(common.MetadataSchema, block.metadata!.metadata[0]!)
    const built = buildBlock({
      number: block.header!.number,
      previousHash: block.header!.previousHash,
      envelopes: block.data!.data,
      metadata: blockMetadata({
        signatures: { value: slot.value, signatures: slot.signatures },
      }),
    })
    expect(encode(common.BlockSchema, built).equals(encode(common.BlockSchema, block))).to.equal(
      true,
    )
  })

  it('gives the five metadata slots of Fabric, empty where nothing is given', () => {
    expect(blockMetadata({}).map(({ length }) => length)).to.deep.equal([0, 0, 0, 0, 0])
    expect(
      buildBlock({ number: 1n, previousHash: new Uint8Array(), envelopes: [] }).metadata!.metadata,
    ).to.have.length(5)
  })

  it('puts each given slot in its place', () => {
    const slots = blockMetadata({
      signatures: { value: Uint8Array.of(1) },
      transactionsFilter: Uint8Array.of(2),
      orderer: Uint8Array.of(3),
      commitHash: Uint8Array.of(4),
      more: [Uint8Array.of(5)],
    })
    const hex = slots.map((slot) => Buffer.from(slot).toString('hex'))
    expect(hex).to.deep.equal(['0a0101', '', '02', '03', '0a0104', '05'])
  })

  it('encodes the signed value as Fabric does', () => {
    // Golden vectors made with fabric-protos-go: a configuration index of 0 is an empty message.
    expect(Buffer.from(ordererMetadataValue(0n, Uint8Array.of(7))).toString('hex')).to.equal(
      '0a00120107',
    )
    expect(
      Buffer.from(ordererMetadataValue(4n, Buffer.from('0a0107', 'hex'))).toString('hex'),
    ).to.equal('0a02080412030a0107')
    expect(ordererMetadataValue(22n)).to.deep.equal(Buffer.from('0a020816', 'hex'))
  })

  it('makes the preimage that the signatures of a recorded block verify over (BFT)', () => {
    const genesis = recorded('bft-v3.1.5/genesis')
    const envelope = decode(common.EnvelopeSchema, genesis.data!.data[0]!)
    const { data } = decode(common.PayloadSchema, envelope.payload)
    const { groups } = decode(common.ConfigEnvelopeSchema, data).config!.channelGroup!
    const { consenterMapping } = decode(
      common.OrderersSchema,
      groups['Orderer']!.values['Orderers']!.value,
    )
    const block = recorded('bft-v3.1.5/orderer/005')
    const { value, signatures } = decode(common.MetadataSchema, block.metadata!.metadata[0]!)
    expect(signatures).to.have.length.at.least(3)
    for (const { identifierHeader, signature } of signatures) {
      const { identifier } = decode(common.IdentifierHeaderSchema, identifierHeader)
      const { identity } = consenterMapping.find(({ id }) => id === identifier)!
      const { publicKey } = new X509Certificate(identity)
      const header = blockHeaderBytes(block.header!)
      const preimage = blockSignaturePreimage(value, identifierHeader, header)
      expect(verify('sha256', preimage, publicKey, signature), `${identifier}`).to.equal(true)
    }
    const again = signaturesSlot(value, signatures)
    expect(again).to.deep.equal(Buffer.from(block.metadata!.metadata[0]!))
  })

  it('makes the preimage that the signature of a recorded block verifies over (CFT)', () => {
    const block = recorded('raft-v2.5.16/orderer/005')
    const { value, signatures } = decode(common.MetadataSchema, block.metadata!.metadata[0]!)
    expect(signatures).to.have.length(1)
    const [{ signatureHeader, signature }] = signatures as [common.MetadataSignature]
    const { creator } = decode(common.SignatureHeaderSchema, signatureHeader)
    const { publicKey } = new X509Certificate(decode(msp.SerializedIdentitySchema, creator).idBytes)
    const preimage = blockSignaturePreimage(value, signatureHeader, blockHeaderBytes(block.header!))
    expect(verify('sha256', preimage, publicKey, signature)).to.equal(true)
  })

  it('leaves the envelopes as they are', () => {
    const odd = Buffer.from('1801120161', 'hex') // unknown field first: not what an encoder writes
    const block = buildBlock({ number: 1n, previousHash: new Uint8Array(32), envelopes: [odd] })
    const stored = decode(common.BlockSchema, encode(common.BlockSchema, block))
    expect(stored.data!.data[0]).to.deep.equal(odd)
    expect(blockHeaderHash(stored.header!)).to.have.length(32)
  })
})

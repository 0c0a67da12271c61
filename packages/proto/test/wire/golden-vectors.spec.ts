import { createHash } from 'node:crypto'
import { equals } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import { expect } from 'chai'
import {
  TimestampSchema,
  blockDataHash,
  blockHeaderBytes,
  blockHeaderHash,
  common,
  create,
  decode,
  encode,
  gossip,
  msp,
  orderer,
} from '../../src/index.ts'

// All bytes here were written by the Go libraries of fabric v3.0.0.

interface Vector {
  readonly what: string
  readonly schema: DescMessage
  readonly init: object
  readonly hex: string
}

function vector<Desc extends DescMessage>(
  what: string,
  schema: Desc,
  init: MessageInitShape<Desc>,
  hex: string,
): Vector {
  return { what, schema, init: init, hex }
}

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex')
const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const FOREVER = 2n ** 64n - 1n

const identity = '0a074f7267314d5350120350454d'
const pkiId = '06112b92b5e1a18d658a6fadd77f8aaae16b0a15b7b13a080c2c2a2c551d537e'
const connection = `0a20${pkiId}120e${identity}`
const p1 = `180172360a20${pkiId}120e${identity}1a02aabb`

function connEstablish(
  extra: MessageInitShape<typeof gossip.ConnEstablishSchema>,
): MessageInitShape<typeof gossip.GossipMessageSchema> {
  const value = { pkiId: hex(pkiId), identity: hex(identity), ...extra }
  return { tag: gossip.GossipMessage_Tag.EMPTY, content: { case: 'conn', value } }
}

function seek(
  start: MessageInitShape<typeof orderer.SeekPositionSchema>,
  contentType = orderer.SeekInfo_SeekContentType.BLOCK,
): MessageInitShape<typeof orderer.SeekInfoSchema> {
  const stop = { Type: { case: 'specified' as const, value: { number: FOREVER } } }
  return { start, stop, contentType }
}

const from = (number: bigint): MessageInitShape<typeof orderer.SeekPositionSchema> => ({
  Type: { case: 'specified', value: { number } },
})

const vectors: Vector[] = [
  vector(
    'an identity',
    msp.SerializedIdentitySchema,
    { mspid: 'Org1MSP', idBytes: utf8('PEM') },
    identity,
  ),
  vector(
    'a connection message',
    gossip.GossipMessageSchema,
    connEstablish({ tlsCertHash: hex('aabb') }),
    p1,
  ),
  vector(
    'a connection message with probe',
    gossip.GossipMessageSchema,
    connEstablish({ tlsCertHash: hex('aabb'), probe: true }),
    `18017238${connection}1a02aabb2001`,
  ),
  vector(
    'a connection message without TLS',
    gossip.GossipMessageSchema,
    connEstablish({}),
    `18017232${connection}`,
  ),
  vector(
    'a signed gossip envelope',
    gossip.EnvelopeSchema,
    { payload: hex(p1), signature: hex('010203') },
    `0a3a${p1}1203010203`,
  ),
  vector(
    'an acknowledgement',
    gossip.GossipMessageSchema,
    { nonce: 7n, content: { case: 'ack', value: {} } },
    '0807b20100',
  ),
  vector(
    'an unsigned gossip envelope',
    gossip.EnvelopeSchema,
    { payload: hex('0807b20100') },
    '0a050807b20100',
  ),
  vector(
    'a negative acknowledgement with the largest nonce',
    gossip.GossipMessageSchema,
    { nonce: FOREVER, content: { case: 'ack', value: { error: 'no' } } },
    '08ffffffffffffffffff01b201040a026e6f',
  ),
  vector(
    'a block data message',
    gossip.GossipMessageSchema,
    {
      channel: utf8('ch'),
      tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
      content: { case: 'dataMsg', value: { payload: { seqNum: 5n, data: hex('09') } } },
    },
    '12026368180442070a050805120109',
  ),
  vector(
    'a seek from block 5',
    orderer.SeekInfoSchema,
    seek(from(5n)),
    '0a041a020805120d1a0b08ffffffffffffffffff01',
  ),
  vector(
    'a seek from block 0',
    orderer.SeekInfoSchema,
    seek(from(0n)),
    '0a021a00120d1a0b08ffffffffffffffffff01',
  ),
  vector(
    'a seek from the oldest block',
    orderer.SeekInfoSchema,
    seek({ Type: { case: 'oldest', value: {} } }),
    '0a021200120d1a0b08ffffffffffffffffff01',
  ),
  vector(
    'a seek for headers from block 5',
    orderer.SeekInfoSchema,
    seek(from(5n), orderer.SeekInfo_SeekContentType.HEADER_WITH_SIG),
    '0a041a020805120d1a0b08ffffffffffffffffff012801',
  ),
  vector(
    'a channel header',
    common.ChannelHeaderSchema,
    {
      type: common.HeaderType.DELIVER_SEEK_INFO,
      timestamp: create(TimestampSchema, { seconds: 1_700_000_000n }),
      channelId: 'mychannel',
      tlsCertHash: hex('aa'),
    },
    '08051a060880e2cfaa0622096d796368616e6e656c4201aa',
  ),
  vector(
    'a signature header',
    common.SignatureHeaderSchema,
    { creator: utf8('C'), nonce: hex('0102') },
    '0a014312020102',
  ),
  vector(
    'an identifier header',
    common.IdentifierHeaderSchema,
    { identifier: 3, nonce: hex('0102') },
    '080312020102',
  ),
  vector(
    'orderer block metadata',
    common.OrdererBlockMetadataSchema,
    { lastConfig: { index: 4n }, consenterMetadata: hex('0a0107') },
    '0a02080412030a0107',
  ),
  vector(
    'orderer block metadata with an empty message inside',
    common.OrdererBlockMetadataSchema,
    { lastConfig: { index: 0n }, consenterMetadata: hex('07') },
    '0a00120107',
  ),
]

describe('bytes written by Go', () => {
  for (const { what, schema, init, hex: expected } of vectors) {
    it(`are written for ${what}, and mean it`, () => {
      const message = create(schema, init as never)
      expect(encode(schema, message).toString('hex'), 'encoded').to.equal(expected)
      expect(equals(schema, decode(schema, hex(expected)), message), 'decoded').to.equal(true)
    })
  }

  it('hash to the PKI-ID, which covers MSP id and id_bytes without lengths', () => {
    const { mspid, idBytes } = decode(msp.SerializedIdentitySchema, hex(identity))
    const digest = createHash('sha256').update(mspid).update(idBytes).digest('hex')
    expect(digest).to.equal(pkiId)
  })

  it('of a v1.2 digest message decode, and encode to themselves', () => {
    const bytes = '12096d796368616e6e656c52171201ff1202ffff1203ffffff1204ffffffff1203313030'
    const { channel, content } = decode(gossip.GossipMessageSchema, hex(bytes))
    expect(Buffer.from(channel).toString()).to.equal('mychannel')
    expect(content.case).to.equal('dataDig')
    const { digests } = content.value as gossip.DataDigest
    const last = Buffer.from(digests.at(-1)!)
    expect(digests).to.have.length(5)
    expect(last.toString()).to.equal('100')
    const message = decode(gossip.GossipMessageSchema, hex(bytes))
    expect(encode(gossip.GossipMessageSchema, message).toString('hex')).to.equal(bytes)
  })
})

describe('hashes computed by Go', () => {
  const headers: [number: bigint, previousHash: string, der: string, hash: string][] = [
    [
      0n,
      '',
      '30080201000400040103',
      '7690b40ae724081e41848b1de7cca905671488c0ee415059099eab3b91fc6cf4',
    ],
    [
      1n,
      '0102',
      '300a02010104020102040103',
      'd3f34a82b7164d20a6ff41a3ef94b65c7693ac260c01375bd81d75fdb70f41a0',
    ],
    [
      128n,
      '0102',
      '300b0202008004020102040103',
      'ac9de9afb33d4e27e3a7c1d917b30d4c5851e11d6bf984aea22da4dbdce4a0b2',
    ],
    [
      2n ** 63n,
      '0102',
      '3012020900800000000000000004020102040103',
      '4b98ed1059dac8677f43affd420fc46b0dae6e55944a97fb552e3f15fe617942',
    ],
    [
      FOREVER,
      '0102',
      '3012020900ffffffffffffffff04020102040103',
      '61ac78c30151bfc381181c5926aaf320b56982a01491cc067a96f5c258c19b96',
    ],
  ]
  for (const [number, previousHash, der, hash] of headers) {
    it(`equal the header bytes and hash of block ${String(number)}`, () => {
      const header = create(common.BlockHeaderSchema, {
        number,
        previousHash: hex(previousHash),
        dataHash: hex('03'),
      })
      expect(blockHeaderBytes(header).toString('hex')).to.equal(der)
      expect(blockHeaderHash(header).toString('hex')).to.equal(hash)
    })
  }

  it('equal the data hash, which covers the transactions without lengths', () => {
    expect(blockDataHash([utf8('a'), utf8('bc')]).toString('hex')).to.equal(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })
})

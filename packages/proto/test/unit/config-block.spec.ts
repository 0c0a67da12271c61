import { expect } from 'chai'
import { common, create, encode, isConfigBlock } from '../../src/index.ts'

describe('isConfigBlock', () => {
  const blockOf = (...data: readonly Uint8Array[]): common.Block =>
    create(common.BlockSchema, { data: { data: [...data] } })

  const envelope = (type: number): Uint8Array => {
    const channelHeader = encode(
      common.ChannelHeaderSchema,
      create(common.ChannelHeaderSchema, { type }),
    )
    const payload = create(common.PayloadSchema, { header: { channelHeader } })
    return envelopeOf(encode(common.PayloadSchema, payload))
  }
  const envelopeOf = (payload: Uint8Array): Uint8Array =>
    encode(common.EnvelopeSchema, create(common.EnvelopeSchema, { payload }))
  const config = envelope(common.HeaderType.CONFIG)

  it('is true for a block with one transaction of type CONFIG', () => {
    expect(isConfigBlock(blockOf(config))).to.equal(true)
  })

  it('is false for every other type, those that nobody knows included', () => {
    const { CONFIG, MESSAGE, CONFIG_UPDATE, ENDORSER_TRANSACTION } = common.HeaderType
    for (const type of [MESSAGE, CONFIG_UPDATE, ENDORSER_TRANSACTION, CONFIG + 1_000])
      expect(isConfigBlock(blockOf(envelope(type))), `type ${type}`).to.equal(false)
  })

  it('is false for no transaction, and for more than one', () => {
    expect(isConfigBlock(create(common.BlockSchema))).to.equal(false)
    expect(isConfigBlock(blockOf())).to.equal(false)
    expect(isConfigBlock(blockOf(config, config))).to.equal(false)
  })

  it('is false for what is no envelope, and for one without a header', () => {
    const broken = [
      Buffer.from('ff', 'hex'),
      envelopeOf(Buffer.from('ff', 'hex')),
      envelopeOf(new Uint8Array()),
      config.subarray(0, -1),
    ]
    for (const bytes of broken)
      expect(isConfigBlock(blockOf(bytes)), Buffer.from(bytes).toString('hex')).to.equal(false)
  })
})

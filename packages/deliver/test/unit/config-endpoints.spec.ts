import { ChannelError } from '@heddle/channel'
import { expect } from 'chai'
import { type common } from '@heddle/proto'
import { configIn } from '../../src/channel-config.ts'
import { endpointsOf } from '../../src/config-endpoints.ts'
import { BlockError, channelConfigOf } from '../../src/index.ts'
import { changedConfig } from '../config-block.ts'
import { recorded } from '../recorded.ts'

describe('the endpoints that a configuration names', () => {
  const named = { organization: 'A', tlsRoots: ['root'] }

  it('are used as the configuration has them', () => {
    const ordererEndpoints = [
      { ...named, address: 'a1:7050' },
      { address: 'old:7050', organization: undefined, tlsRoots: ['root', 'intermediate'] },
    ]
    expect(endpointsOf({ ordererEndpoints })).to.deep.equal({
      endpoints: [
        { address: 'a1:7050', roots: ['root'] },
        { address: 'old:7050', roots: ['root', 'intermediate'] },
      ],
      unusableEndpoints: [],
    })
  })

  it('are not used, and named, when they are not host:port or have nobody to vouch for them', () => {
    const ordererEndpoints = [
      { ...named, address: 'a2\r\n:7050' },
      { address: 'b:7050', organization: 'B', tlsRoots: [] },
      { address: 'old:7050', organization: undefined, tlsRoots: [] },
    ]
    expect(endpointsOf({ ordererEndpoints })).to.deep.equal({
      endpoints: [],
      unusableEndpoints: [
        '"a2\\r\\n:7050" of organisation "A" is not host:port',
        '"b:7050" of organisation "B" has no TLS roots to verify it with',
        '"old:7050" of all organisations has no TLS roots to verify it with',
      ],
    })
  })
})

describe('channelConfigOf', () => {
  it('tells what the configuration says, and where blocks can be had', () => {
    const { channelId, endpoints, ordererEndpoints } = channelConfigOf(
      recorded('bft-v3.1.5')[0]!.message,
    )
    expect(channelId).to.equal('ch1')
    expect(endpoints.map(({ address }) => address)).to.deep.equal(
      ordererEndpoints.map(({ address }) => address),
    )
    expect(endpoints).not.to.deep.equal([])
  })
})

describe('a configuration block that cannot be used', () => {
  const refusalOf = (block: common.Block): BlockError => {
    try {
      configIn(block)
    } catch (error) {
      expect(error).to.be.instanceOf(BlockError)
      return error as BlockError
    }
    throw new Error('the block was taken')
  }

  it('is a lie of whoever sent it: a BlockError, with the reason', () => {
    const block = recorded('bft-v3.1.5')[0]!.message
    const { code, message, cause } = refusalOf(
      changedConfig(block, ({ channel }) => delete channel.groups['Orderer']),
    )
    expect(`${code}: ${message}`).to.equal(
      'DELIVER_CONFIG: the configuration block cannot be used: it has no orderer section',
    )
    expect(cause).to.be.instanceOf(ChannelError)
    expect(cause).to.have.property('code', 'CHANNEL_INVALID_CONFIG')
  })
})

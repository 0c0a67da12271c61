import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import type { LogFields, Logger } from '@heddle/interface'
import { common, create, decode, encode } from '@heddle/proto'
import { pullBlocks } from '../../src/index.ts'
import { changedConfig } from '../config-block.ts'
import { channel, channelId, honest, impatient, stopAll } from '../network.ts'

// Kind: what a configuration says goes unchecked into a connection, here its endpoints.

const hostile = 'orderer\r\nX-Evil: 1\r\n\r\nGET http://internal/ HTTP/1.1\r\nHost: internal:7050'

/** The transaction of a configuration that names `addresses` for the only organisation. */
async function configNaming(...addresses: string[]): Promise<Uint8Array> {
  const { genesis } = await channel()
  const block = changedConfig(decode(common.BlockSchema, genesis), ({ orderer }) => {
    const value = create(common.OrdererAddressesSchema, { addresses })
    orderer.groups['Org1']!.values['Endpoints']!.value = encode(
      common.OrdererAddressesSchema,
      value,
    )
  })
  return block.data!.data[0]!
}

describe('Endpoints of a configuration block that cannot be used', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  it('are said once, by block, and asked for nothing', async () => {
    const { genesis, client, clientTls } = await channel()
    const { chain, endpoint } = await honest()
    await chain.appendBlock([await configNaming(endpoint.address, hostile)], 1n)
    await chain.appendBlock([await configNaming(endpoint.address, hostile)], 2n)
    await chain.appendBlock([await configNaming(endpoint.address, hostile, 'x:0')], 3n)
    const warned: [string, LogFields | undefined][] = []
    const nothing = (): void => undefined
    const logger: Logger = {
      debug: nothing,
      info: nothing,
      warn: (event, fields) => warned.push([event, fields]),
      error: nothing,
      child: () => logger,
    }
    const asked = new Set<string>()
    const proxyFor = (address: string): undefined => void asked.add(address)
    const deps = { signer: client, clock: systemClock, logger, proxyFor }
    const options = { channelId, configBlock: genesis, endpoints: [endpoint], tls: clientTls }
    let last = 0n
    for await (const { message } of pullBlocks(deps, { ...options, ...impatient })) {
      last = message.header!.number
    }
    expect(last).to.equal(3n)
    const event = 'endpoints in the configuration of the channel cannot be used'
    const named = `${JSON.stringify(hostile)} of organisation "Org1" is not host:port`
    const added = '"x:0" of organisation "Org1" is not host:port'
    expect(warned).to.deep.equal([
      [event, { block: 1n, count: 1, endpoints: named }],
      [event, { block: 3n, count: 1, endpoints: added }],
    ])
    expect([...asked]).to.deep.equal([endpoint.address])
  })
})

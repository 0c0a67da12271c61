import { expect } from 'chai'
import { validatorProxy } from '../../src/node/validator-proxy.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { Config } from '../../src/config/settings.ts'

const far = 'validator1.example.com:7051'

function configOf(proxy: 'none' | 'environment'): Config {
  const validators = [{ id: 0, gossip: '127.0.0.1:7051', orderer: far }]
  return { 'peer.proxy': proxy, validators } as unknown as Config
}

describe('validatorProxy', () => {
  const before = { ...process.env }
  afterEach(() => {
    process.env = { ...before }
  })

  it('gives none, whatever the environment names, unless peer.proxy asks for it', () => {
    process.env['grpc_proxy'] = 'http://proxy.example.com:3128'
    expect(validatorProxy(configOf('none'))(far)).to.equal(undefined)
    const logger = new RecordingLogger()
    const choose = validatorProxy(configOf('environment'), logger)
    const through = { through: 'proxy.example.com:3128', variable: 'grpc_proxy' }
    expect(logger.lines.map(({ fields }) => fields)).to.deep.equal([{ endpoint: far, ...through }])
    expect(choose(far)?.address).to.equal('proxy.example.com:3128')
    expect(choose('127.0.0.1:7051'), 'loopback').to.equal(undefined)
  })

  it('refuses at start what is no proxy', () => {
    process.env['grpc_proxy'] = 'socks5://proxy.example.com:1080'
    expect(() => validatorProxy(configOf('none'))).not.to.throw()
    expect(() => validatorProxy(configOf('environment')))
      .to.throw()
      .with.property('code', 'DELIVER_INVALID_OPTIONS')
  })
})

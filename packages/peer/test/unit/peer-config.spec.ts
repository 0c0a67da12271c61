import { expect } from 'chai'
import { configLine, shownConfig } from '../../src/cli/peer-config.ts'
import { parseConfig } from '../../src/config/load.ts'
import { settings } from '../../src/config/settings.ts'
import { PeerError } from '../../src/errors.ts'

const file = '/etc/heddle/peer.yaml'
const source = `# a comment
peer:
  id: v0
  localMspId: Org0MSP
  mspConfigPath: msp
  fileSystemPath: /var/data
  listenAddress: "[::1]:7051"
  tls:
    cert: {file: tls/server.crt}
    key: {file: tls/server.key}
general.genesisFile: genesis.block
pbft.general:
  timeout: {batch: 0.5s, request: 1m1.5s}
  k:
operations.tls.clientRootCAs.files: [a.pem, b.pem]
validators:
  - {id: 0, gossip: "127.0.0.1:1", orderer: "127.0.0.1:2"}
`
const environment = {
  CORE_PBFT_GENERAL_BATCHSIZE: '7',
  CORE_PEER_ID: 'other',
  FABRIC_LOGGING_SPEC: 'debug',
}

describe('heddle peer config', () => {
  const shown = shownConfig(source, file, environment)
  const of = (key: string) => shown.find((each) => each.key === key)

  it('has every key, and says of each where its value comes from', () => {
    expect(shown.map(({ key }) => key)).to.deep.equal(Object.keys(settings))
    expect(of('peer.localMspId')).to.deep.equal({
      ...{ key: 'peer.localMspId', value: 'Org0MSP', from: 'file', line: 4 },
    })
    expect(of('peer.tls.key.file')).to.include({ value: '/etc/heddle/tls/server.key', line: 10 })
    expect(of('general.genesisFile')).to.include({ from: 'file', line: 11 })
    expect(of('pbft.general.timeout.request')).to.include({ value: '61500ms', line: 13 })
    expect(of('validators')).to.include({ from: 'file', line: 16 })
    expect(of('pbft.general.k'), 'empty in the file').to.deep.equal({
      ...{ key: 'pbft.general.k', value: 10, from: 'default' },
    })
    expect(of('operations.listenAddress')).to.include({ value: '127.0.0.1:9443', from: 'default' })
  })

  it('names the variable that overrides the file, or the default', () => {
    const from = 'environment'
    expect(of('peer.id')).to.include({ value: 'other', from, variable: 'CORE_PEER_ID' })
    const batchsize = { value: 7, from, variable: 'CORE_PBFT_GENERAL_BATCHSIZE' }
    expect(of('pbft.general.batchsize')).to.include(batchsize)
    expect(of('logging.spec')).to.include({ from, variable: 'FABRIC_LOGGING_SPEC' })
  })

  it('prints what is the same configuration again, with where each value is from', () => {
    const lines = shown.map((each) => configLine(each, file))
    expect(lines).to.include('peer.id: "other" # CORE_PEER_ID')
    expect(lines).to.include(`peer.listenAddress: "[::1]:7051" # ${file}:7`)
    expect(lines).to.include('pbft.general.logmultiplier: 4 # default')
    expect(parseConfig(lines.join('\n'), file, {})).to.deep.equal(
      parseConfig(source, file, environment),
    )
  })

  it('knows no line of what an alias stands for, and names the file', () => {
    const aliased = source.replace('{file: tls/server.crt}', '&tls {file: tls/both.pem}')
    const text = aliased.replace('{file: tls/server.key}', '*tls')
    const key = shownConfig(text, file, {}).find((each) => each.key === 'peer.tls.key.file')!
    expect(key).to.include({ value: '/etc/heddle/tls/both.pem', from: 'file', line: undefined })
    expect(configLine(key, file)).to.match(/both.pem" # \/etc\/heddle\/peer.yaml$/)
  })

  it('refuses what the start of a validator refuses', () => {
    const bad: [string, NodeJS.ProcessEnv][] = [
      [source.replace('localMspId', 'localMspld'), {}],
      [source, { CORE_PEER_IDD: 'x' }],
      [source, { CORE_PBFT_GENERAL_TIMEOUT_BATCH: '3m' }],
      ['peer: [', {}],
    ]
    for (const [text, variables] of bad)
      expect(() => shownConfig(text, file, variables))
        .to.throw(PeerError)
        .with.property('code', 'PEER_INVALID_CONFIG')
  })
})

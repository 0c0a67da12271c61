import { expect } from 'chai'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isCodedError } from '@heddle/interface'
import { largestFrameBytes } from '@heddle/pbft'
import { variableOf } from '../../src/config/environment.ts'
import { loadConfig, parseConfig } from '../../src/config/load.ts'
import { maxValidators } from '../../src/config/setting.ts'
import { settings } from '../../src/config/settings.ts'
import type { SettingKey } from '../../src/config/settings.ts'
import { PeerError } from '../../src/errors.ts'
import { exitCodeOf } from '../../src/exit-status.ts'
import { replicaOptions } from '../../src/node/replica-options.ts'

const minimal = `
peer:
  id: v0
  localMspId: Org0MSP
  mspConfigPath: msp
  fileSystemPath: /var/data
  tls: {cert: {file: tls/server.crt}, key: {file: tls/server.key}}
general:
  genesisFile: genesis.block
validators:
  - {id: 0, gossip: "127.0.0.1:1", orderer: "127.0.0.1:2"}
`

function failure(source: string, environment: NodeJS.ProcessEnv = {}): PeerError {
  try {
    parseConfig(source, '/etc/heddle/peer.yaml', environment)
  } catch (error) {
    if (error instanceof PeerError) return error as PeerError
    throw error
  }
  throw new Error('the configuration was accepted')
}

describe('the configuration of a validator', () => {
  it('fills in defaults and resolves paths from the folder of the file', () => {
    const config = parseConfig(minimal, '/etc/heddle/peer.yaml', {})
    expect(config['peer.mspConfigPath']).to.equal('/etc/heddle/msp')
    expect(config['peer.fileSystemPath']).to.equal('/var/data')
    expect(config['pbft.general.batchsize']).to.equal(500)
    expect(config['peer.listenAddress']).to.deep.equal({ host: '127.0.0.1', port: 7051 })
    expect(Object.isFrozen(config)).to.be.true
  })

  it('names the variable that holds what is wrong, the one of Fabric too', () => {
    expect(failure(minimal, { FABRIC_LOGGING_SPEC: '' }).message).to.match(/^FABRIC_LOGGING_SPEC: /)
    expect(failure(minimal, { CORE_LOGGING_SPEC: '' }).message).to.match(/^CORE_LOGGING_SPEC: /)
    const both = { FABRIC_LOGGING_SPEC: 'debug', CORE_LOGGING_SPEC: 'error' }
    expect(parseConfig(minimal, 'peer.yaml', both)['logging.spec']).to.equal('debug')
  })

  it('lets CORE_ variables override the file, and FABRIC_LOGGING_SPEC the levels', () => {
    const config = parseConfig(`${minimal}logging: {spec: error}\n`, 'peer.yaml', {
      CORE_PBFT_GENERAL_BATCHSIZE: '7',
      CORE_PBFT_GENERAL_TIMEOUT_REQUEST: '1m1.5s',
      CORE_OPERATIONS_LISTENADDRESS: '[::1]:9',
      FABRIC_LOGGING_SPEC: 'debug',
    })
    expect(config['pbft.general.batchsize']).to.equal(7)
    expect(config['pbft.general.timeout.request']).to.equal(61_500)
    expect(config['operations.listenAddress']).to.deep.equal({ host: '::1', port: 9 })
    expect(config['logging.spec']).to.equal('debug')
  })

  it('offers the newest rules that there are, or those that it is told, and no others', () => {
    const told = (variable: string): unknown =>
      parseConfig(minimal, 'peer.yaml', { CORE_LEDGER_RULES: variable })['ledger.rules']
    expect(parseConfig(minimal, 'peer.yaml', {})['ledger.rules']).to.equal(2)
    expect([told('1'), told('2')]).to.deep.equal([1, 2])
    expect(parseConfig(`${minimal}ledger: {rules: 1}`, 'f', {})['ledger.rules']).to.equal(1)
    for (const rules of ['7', '0', '1.5', '"newest"', '[]']) {
      const error = failure(`${minimal}ledger: {rules: ${rules}}`)
      expect(error.code).to.equal('PEER_INVALID_CONFIG')
      expect(error.message, rules).to.match(/peer\.yaml: ledger\.rules: .* is not known$/)
      expect(error.cure).to.equal('give one of: 2, 1')
    }
  })

  it('names file, key and cure of what is wrong', () => {
    const cases: [string, RegExp][] = [
      [
        `${minimal}pbft: {general: {batchsize: 0}}`,
        /peer\.yaml: pbft\.general\.batchsize: 0 is out of/,
      ],
      [`${minimal}pbft: {general: {batchsize: 10001}}`, /10001 is out of range/],
      [`${minimal}pbft: {general: {batchsize: many}}`, /"many" is not a whole number/],
      [`${minimal}pbft: {general: {timeout: {batch: 5}}}`, /5 is not a duration/],
      [`${minimal}operations: {listenAddress: nowhere}`, /"nowhere" is not an address/],
      [`${minimal}operations: {listenAddress: "h:70000"}`, /70000 is not a port/],
      [`${minimal}pbft: {general: {batchSize: 5}}`, /unknown key pbft\.general\.batchSize/],
      [minimal.replace('  id: v0\n', ''), /peer\.yaml: peer\.id is missing/],
      [minimal.replace('id: 0,', 'id: 1,'), /validators: entry 0 has id 1/],
      ['a: [', /peer\.yaml: /],
    ]
    for (const [source, message] of cases) {
      const error = failure(source)
      expect(error.code, source).to.equal('PEER_INVALID_CONFIG')
      expect(error.message).to.match(message)
      expect(error.cure, 'cure').to.be.a('string').that.is.not.empty
    }
    expect(failure(`${minimal}pbft: {general: {batchSize: 5}}`).cure).to.match(
      /pbft\.general\.batchsize/,
    )
  })

  it('asks of an unknown key whether one was meant that differs by two letters in a row, no more', () => {
    const cureFor = (key: string): unknown => failure(`${minimal}pbft: {general: {${key}: 5}}`).cure
    for (const key of ['batchsise', 'batchsiz', 'batchsizee', 'bacthsize'])
      expect(cureFor(key)).to.equal('did you mean pbft.general.batchsize?')
    expect(cureFor('batchsizeeee')).to.equal('remove it')
  })

  it('refuses a CORE_ variable that overrides nothing, and asks which was meant', () => {
    for (const [name, cure] of [
      [
        'CORE_PBFT_GENERAL_BATCHSISE',
        'did you mean CORE_PBFT_GENERAL_BATCHSIZE? Otherwise unset it',
      ],
      [
        'CORE_PBFT_TIMEOUT_REQUEST',
        'did you mean CORE_PBFT_GENERAL_TIMEOUT_REQUEST? Otherwise unset it',
      ],
      ['CORE_VM_DOCKER', 'unset it'],
    ] as const) {
      const error = failure(minimal, { [name]: '5' })
      expect(error.code).to.equal('PEER_INVALID_CONFIG')
      expect(error.message).to.equal(`${name}: no key has this variable`)
      expect(error.cure).to.equal(cure)
    }
    const others = { PATH: '/bin', CORES: '2', FABRIC_CFG_PATH: '/etc', core_pattern: 'x' }
    expect(parseConfig(minimal, 'peer.yaml', others)['peer.id']).to.equal('v0')
  })

  it('names the variable when that is what is wrong', () => {
    expect(failure(minimal, { CORE_PBFT_GENERAL_K: '0' }).message).to.match(
      /^CORE_PBFT_GENERAL_K: 0 is out/,
    )
  })

  it('names two settings that contradict each other, and what to do', () => {
    const cases: [string, RegExp][] = [
      [
        'pbft: {general: {maxBatchBytes: 2048}}',
        /peer\.yaml: pbft\.general\.maxBatchBytes: 2048 is less than general\.maxEnvelopeBytes, 1048576/,
      ],
      [
        'pbft: {general: {timeout: {batch: 150ms, request: 100ms}}}',
        /timeout\.batch: 150ms must be less than pbft\.general\.timeout\.request, 100ms/,
      ],
      [
        'operations: {listenAddress: "127.0.0.1:7051"}',
        /operations\.listenAddress: 127\.0\.0\.1:7051 is taken by peer\.listenAddress/,
      ],
      [
        'operations: {listenAddress: "0.0.0.0:7050"}',
        /operations\.listenAddress: 0\.0\.0\.0:7050 is taken by general\.listenAddress, 127\.0\.0\.1:7050/,
      ],
    ]
    for (const [lines, message] of cases) {
      const error = failure(`${minimal}${lines}\n`)
      expect(error.code, lines).to.equal('PEER_INVALID_CONFIG')
      expect(error.message).to.match(message)
      expect(error.cure, lines).to.be.a('string').that.is.not.empty
    }
    expect(failure(minimal, { CORE_PBFT_GENERAL_MAXBATCHBYTES: '2048' }).message).to.match(
      /^CORE_PBFT_GENERAL_MAXBATCHBYTES: 2048 is less/,
    )
  })

  it('lets several parts listen at ports that the system gives', () => {
    const config = parseConfig(minimal, 'peer.yaml', {
      CORE_PEER_LISTENADDRESS: '127.0.0.1:0',
      CORE_GENERAL_LISTENADDRESS: '127.0.0.1:0',
      CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:0',
    })
    expect(config['operations.listenAddress'].port).to.equal(0)
  })

  it('accepts nothing that the consensus refuses', () => {
    const ends = [
      ['CORE_PBFT_GENERAL_BATCHSIZE', '1', '10000'],
      ['CORE_PBFT_GENERAL_MAXBATCHBYTES', '1048576', '50331648'],
      ['CORE_PBFT_GENERAL_K', '1', '1000'],
      ['CORE_PBFT_GENERAL_LOGMULTIPLIER', '2', '100'],
      ['CORE_PBFT_GENERAL_TIMEOUT_BATCH', '1ms', '4999ms'],
      ['CORE_PBFT_GENERAL_TIMEOUT_REQUEST', '100ms', '10m'],
      ['CORE_PBFT_GENERAL_TIMEOUT_VIEWCHANGE', '100ms', '10m'],
      ['CORE_GENERAL_MAXENVELOPEBYTES', '1024', '8388608'],
    ]
    for (const [variable = '', ...values] of ends)
      for (const value of values) {
        const config = parseConfig(minimal, 'peer.yaml', { [variable]: value })
        const options = replicaOptions(config, { id: 0, n: 4, acceptLoss: false })
        expect(() => largestFrameBytes(options), `${variable}=${value}`).not.to.throw()
      }
    expect(failure(minimal, { CORE_PBFT_GENERAL_MAXBATCHBYTES: '50331649' }).message).to.match(
      /50331649 is out of range/,
    )
  })

  it('takes both ends of each range and nothing beyond', () => {
    const key = 'pbft.general.batchsize'
    expect(settings[key].parse(1)).to.equal(1)
    expect(settings[key].parse(10_000)).to.equal(10_000)
    const entry = (id: number): object => ({ id, gossip: 'h:1', orderer: 'h:2' })
    const list = (count: number): object[] => Array.from({ length: count }, (_, id) => entry(id))
    expect(settings.validators.parse(list(maxValidators))).to.have.length(maxValidators)
    expect(() => settings.validators.parse(list(maxValidators + 1))).to.throw()
  })

  it('has a variable of its own for every key', () => {
    const variables = (Object.keys(settings) as SettingKey[]).map(variableOf)
    expect(new Set(variables).size).to.equal(variables.length)
    expect(variableOf('peer.tls.cert.file')).to.equal('CORE_PEER_TLS_CERT_FILE')
  })

  it('says that a file is missing', async () => {
    const error: unknown = await loadConfig('/nowhere/peer.yaml', {}).catch(
      (reason: unknown) => reason,
    )
    expect(isCodedError(error, 'PEER_FILE_MISSING')).to.be.true
  })

  it('says that a file cannot be read, with the exit status of that, not of a wrong setting', async () => {
    const folder = dirname(fileURLToPath(import.meta.url))
    const inFile = `${fileURLToPath(import.meta.url)}/peer.yaml`
    for (const [path, why] of [
      [folder, 'EISDIR'],
      [inFile, 'ENOTDIR'],
    ] as const) {
      const error: unknown = await loadConfig(path, {}).catch((reason: unknown) => reason)
      expect(isCodedError(error, 'PEER_NO_ACCESS'), String(error)).to.be.true
      expect(String(error)).to.include(path).and.include(why)
      expect(exitCodeOf(error)).to.equal(73)
    }
  })
})

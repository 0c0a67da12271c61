import { expect } from 'chai'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@heddle/events'
import { isCodedError } from '@heddle/interface'
import { loadConfig } from '../../src/config/load.ts'
import type { PeerError } from '../../src/errors.ts'
import { generateMaterial } from '../../src/network/crypto.ts'
import { prepareNetwork } from '../../src/network/prepare.ts'
import { readMaterial } from '../../src/node/material.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import type { NetworkMaterial } from '../../src/network/crypto.ts'
import type { Material } from '../../src/node/material.ts'

describe('the material of a validator', function () {
  this.timeout(60_000)
  let dir = ''
  let material: NetworkMaterial
  let config = ''

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-material-'))
    const spec = { dir, validators: 4, basePort: undefined, accounts: new Map<string, bigint>() }
    const { validators } = await prepareNetwork(
      { ...spec, batchSize: 10, batchTimeoutMs: 10, loggingSpec: 'info' },
      systemClock,
    )
    config = join(dir, validators[3]!.config)
    material = await generateMaterial(join(dir, 'crypto'), 4)
  })
  afterEach(() => rm(dir, { recursive: true }))

  const inMsp = (folder: string): string => join(material.validators[3]!.node.mspDir, folder)
  const read = async (logger = new RecordingLogger()): Promise<Material> =>
    readMaterial(await loadConfig(config, {}), logger)

  /** Has its authority issue another certificate; for the same key, if that is there. */
  async function issueAgain(): Promise<void> {
    const [file] = await readdir(inMsp('signcerts'))
    await rm(join(inMsp('signcerts'), file!))
    await generateMaterial(join(dir, 'crypto'), 4)
  }

  it('is said to hold what is passed over in the MSP folder, once', async () => {
    await writeFile(join(inMsp('signcerts'), 'README'), 'not a certificate')
    const logger = new RecordingLogger()
    await read(logger)
    const skipped = logger.lines.filter(({ fields }) => JSON.stringify(fields).includes('README'))
    expect(skipped).to.have.length(1)
  })

  it('is told to listen elsewhere than its own entry in `validators` says, naming both', async () => {
    const warned = async (variables: NodeJS.ProcessEnv): Promise<unknown[]> => {
      const logger = new RecordingLogger()
      await readMaterial(await loadConfig(config, variables), logger)
      return logger.lines.flatMap(({ event, fields }) =>
        event === 'listens elsewhere than `validators` says' ? [fields] : [],
      )
    }
    const { validators } = await loadConfig(config, {})
    const { orderer } = validators[3]!
    const port = orderer.split(':')[1]
    expect(await warned({})).to.deep.equal([])
    const listens = '127.0.0.1:1'
    const variables = { CORE_GENERAL_LISTENADDRESS: listens }
    const [told, ...more] = (await warned(variables)) as Record<string, unknown>[]
    expect(more).to.deep.equal([])
    expect(told).to.include({ setting: 'general.listenAddress', listens, told: orderer })
    expect(told?.['cure']).to.match(/entry 3 of validators/)
    for (const host of ['0.0.0.0', 'localhost', 'validator3.example.com'])
      expect(await warned({ CORE_GENERAL_LISTENADDRESS: `${host}:${port}` })).to.be.empty
    expect(await warned({ CORE_GENERAL_LISTENADDRESS: '127.0.0.1:0' })).to.be.empty
    expect(await warned({ CORE_PEER_LISTENADDRESS: '192.0.2.1:7051' })).to.have.length(1)
  })

  it('is that of the same consenter when its certificate was renewed for the same key', async () => {
    const before = await read()
    await issueAgain()
    const after = await read()
    expect(Buffer.from(after.signer.pkiId)).not.to.deep.equal(Buffer.from(before.signer.pkiId))
    expect(after.replica).to.equal(before.replica).and.to.equal(3)
  })

  it('is refused with a TLS certificate of another organisation, which clients would refuse', async () => {
    const { certificate, key } = material.validators[2]!.node.tls
    const variables = { CORE_PEER_TLS_CERT_FILE: certificate, CORE_PEER_TLS_KEY_FILE: key }
    const refusal: unknown = await loadConfig(config, variables)
      .then((loaded) => readMaterial(loaded, new RecordingLogger()))
      .catch((error: unknown) => error)
    expect(isCodedError(refusal, 'PEER_WRONG_CERTIFICATE'), String(refusal)).to.equal(true)
    expect((refusal as Error).message).to.match(
      /server\.crt is not issued by a TLS authority of Org3MSP/,
    )
    expect((refusal as PeerError).cure).to.include('peer.tls.cert.file')
  })

  it('is refused for another key, and the error says that the key must stay', async () => {
    await rm(join(inMsp('keystore'), 'priv_sk'))
    await issueAgain()
    const refusal: unknown = await read().catch((error: unknown) => error)
    expect(isCodedError(refusal, 'PEER_WRONG_CERTIFICATE'), String(refusal)).to.equal(true)
    expect((refusal as Error).message).to.match(
      /names no consenter of Org3MSP with the key of this certificate$/,
    )
    expect((refusal as PeerError).cure).to.include('a certificate is renewed for the same key')
  })
})

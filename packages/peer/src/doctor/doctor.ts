import { join } from 'node:path'
import { ReaderEnvelope, ValidatorClient, openClient } from '@heddle/client'
import { readTls } from '@heddle/msp'
import { loadConfig } from '../config/load.ts'
import { namedDescriptor } from '../network/descriptor.ts'
import { readMaterial } from '../node/material.ts'
import { certificateFindings, filesOf, mspFiles } from './certificates.ts'
import { failed, findings, ok } from './finding.ts'
import { diskFindings, folderFindings } from './folder.ts'
import { portFindings } from './listeners.ts'
import { nodeFinding, openFilesFinding } from './machine.ts'
import { proxyFindings } from './proxies.ts'
import { validatorFindings } from './validators.ts'
import { Warnings } from './warnings.ts'
import type { NetworkClient, NetworkDescriptor } from '@heddle/client'
import type { Clock } from '@heddle/interface'
import type { Config } from '../config/settings.ts'
import type { Material } from '../node/material.ts'
import type { Finding } from './finding.ts'

/** What a doctor works with. */
export interface DoctorDeps {
  readonly environment: NodeJS.ProcessEnv
  readonly clock: Clock
}

/** A validator with what could be read of it. */
interface Examined {
  readonly config?: Config
  readonly material?: Material
}

/** Looks at all that one validator needs; changes nothing. */
async function* examineValidator(
  about: string | undefined,
  file: string,
  { environment, clock }: DoctorDeps,
): AsyncGenerator<Finding, Examined> {
  let config: Config
  try {
    config = await loadConfig(file, environment)
  } catch (error) {
    yield failed({ check: 'config', about }, error)
    return {}
  }
  yield ok({ check: 'config', about }, `${file} can be used`)
  const subject = { check: 'certificate', about } as const
  yield* await findings(subject, async () =>
    certificateFindings({ about }, await filesOf(config), clock.wallTime()),
  )
  const material = yield* examineMaterial(about, config)
  const dir = config['peer.fileSystemPath']
  yield* await folderFindings(about, dir, material)
  yield* await diskFindings(about, dir)
  yield* await portFindings(about, config)
  return { config, ...(material && { material }) }
}

async function* examineMaterial(
  about: string | undefined,
  config: Config,
): AsyncGenerator<Finding, Material | undefined> {
  const subject = { check: 'identity', about } as const
  const warnings = new Warnings(subject)
  try {
    const material = await readMaterial(config, warnings)
    yield* warnings.findings
    const { replica, channel } = material
    const what = `certificates, keys and genesis block match: consenter ${replica + 1} of ${channel.consenters.length} of channel ${channel.channelId}`
    yield ok(subject, what)
    return material
  } catch (error) {
    yield* warnings.findings
    yield failed(subject, error)
    return undefined
  }
}

/** Examines a validator by its configuration, and asks the others in its name. */
export async function* examinePeer(file: string, deps: DoctorDeps): AsyncGenerator<Finding> {
  yield await nodeFinding()
  const { config, material } = yield* examineValidator(undefined, file, deps)
  if (config === undefined) return
  yield openFilesFinding(config.validators.length)
  yield* await proxyFindings(config, deps.environment)
  if (material === undefined) return
  const validators = clientsOf(config, material, deps.clock)
  try {
    yield* await validatorFindings({ validators }, deps.clock)
  } finally {
    for (const each of validators) each.close()
  }
}

/** Examines a network on this machine: all its validators, and its client. */
export async function* examineNetwork(dir: string, deps: DoctorDeps): AsyncGenerator<Finding> {
  yield await nodeFinding()
  let descriptor: NetworkDescriptor
  try {
    descriptor = await namedDescriptor(dir)
  } catch (error) {
    yield failed({ check: 'network' }, error)
    return
  }
  yield openFilesFinding(descriptor.validators.length)
  let first: Config | undefined
  for (const { name, config: file } of descriptor.validators) {
    const { config } = yield* examineValidator(name, join(dir, file), deps)
    first ??= config
  }
  if (first !== undefined) yield* await proxyFindings(first, deps.environment)
  yield* examineClient(dir, descriptor, deps)
}

async function* examineClient(
  dir: string,
  descriptor: NetworkDescriptor,
  { clock }: DoctorDeps,
): AsyncGenerator<Finding> {
  const about = 'client'
  const { msp, tlsCertificate } = descriptor.client
  yield* await findings({ check: 'certificate', about }, async () => {
    const tls = { role: 'client TLS', file: join(dir, tlsCertificate) }
    const files = [...(await mspFiles(join(dir, msp))), tls]
    return certificateFindings({ about }, files, clock.wallTime())
  })
  let client: NetworkClient
  try {
    client = await openClient(dir, descriptor)
  } catch (error) {
    yield failed({ check: 'identity', about }, error)
    return
  }
  try {
    yield* await validatorFindings(client, clock)
  } finally {
    client.close()
  }
}

/** Clients of all validators that show the certificates of one of them. */
function clientsOf(config: Config, material: Material, clock: Clock): ValidatorClient[] {
  const { signer, channel, tlsCertificate, tlsKey, tlsRoots } = material
  const tls = { certificate: Buffer.from(tlsCertificate), key: Buffer.from(tlsKey) }
  const reader = new ReaderEnvelope({ channelId: channel.channelId, signer, tls, clock })
  const names = {
    certificate: config['peer.tls.cert.file'],
    key: config['peer.tls.key.file'],
    roots: 'TLS authorities of the channel',
  }
  const { context } = readTls({ ...tls, roots: tlsRoots }, names)
  const serverName = config['peer.tls.serverhostoverride']
  return config.validators.map(
    ({ id, orderer }) =>
      new ValidatorClient(
        { name: `validator${id}`, address: orderer, serverName },
        context,
        reader,
      ),
  )
}

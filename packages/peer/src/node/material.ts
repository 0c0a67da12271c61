import { common, decode } from '@heddle/proto'
import { isCodedError } from '@heddle/interface'
import { loadMsp, loadSigningIdentity } from '@heddle/msp'
import { matchTlsFiles } from '../config/tls-files.ts'
import { elsewhereIn } from '../config/relations.ts'
import { PeerError, messageOf } from '../errors.ts'
import { readOf } from '../read-named.ts'
import { systemCauseOf } from '../system-error.ts'
import { readOperationsTls } from '../operations/tls.ts'
import { certificateHolder } from './certificate-holder.ts'
import { readChannelConfig } from './channel-config.ts'
import { isVouchedFor } from './tls-authority.ts'
import type { Logger } from '@heddle/interface'
import type { Msp, SigningIdentity } from '@heddle/msp'
import type { Config } from '../config/settings.ts'
import type { OperationsTls } from '../operations/tls.ts'
import type { ValidatorChannel } from './channel-config.ts'

/** What a validator reads from files before it starts anything. */
export interface Material {
  readonly genesis: Uint8Array
  readonly channel: ValidatorChannel
  readonly msp: Msp
  readonly signer: SigningIdentity
  /** Its place among the consenters of the genesis block. */
  readonly replica: number
  readonly tlsCertificate: string
  readonly tlsKey: string
  /** TLS authorities of every organisation of the channel, PEM. */
  readonly tlsRoots: readonly string[]
  /** Undefined: the operations server speaks without TLS. */
  readonly operationsTls?: OperationsTls | undefined
}

async function readIdentity(config: Config, logger: Logger): Promise<[Msp, SigningIdentity]> {
  const dir = config['peer.mspConfigPath']
  const mspId = config['peer.localMspId']
  try {
    // Both read the whole folder: what is passed over is said once.
    return [await loadMsp(dir, mspId), await loadSigningIdentity(dir, mspId, { logger })]
  } catch (error) {
    const refused = systemCauseOf(error, dir)
    if (refused !== undefined) throw refused
    throw new PeerError('PEER_WRONG_CERTIFICATE', messageOf(error), {
      cure: 'check peer.mspConfigPath and peer.localMspId; `heddle crypto generate` makes new ones',
      cause: error,
    })
  }
}

/** The TLS authorities of an organisation, intermediate ones as well. */
export function tlsAuthoritiesOf({ rules }: ValidatorChannel, mspId: string): string[] {
  const msp = rules.msps.msp(mspId)
  return msp ? [...msp.tlsRoots, ...msp.tlsIntermediates] : []
}

/** Those of all organisations: whoever they vouch for may connect. */
export function tlsRootsOf(channel: ValidatorChannel): string[] {
  return channel.rules.msps.mspIds.flatMap((mspId) => tlsAuthoritiesOf(channel, mspId))
}

/** Certificate, key and authorities for TLS, matched before anything listens or connects. */
async function readTlsFiles(
  config: Config,
  channel: ValidatorChannel,
): Promise<Pick<Material, 'tlsCertificate' | 'tlsKey' | 'tlsRoots'>> {
  const roots = tlsRootsOf(channel)
  const files = { cert: config['peer.tls.cert.file'], key: config['peer.tls.key.file'] }
  const certificate = await readOf('peer.tls.cert.file', files.cert)
  const key = await readOf('peer.tls.key.file', files.key)
  const names = { certificate: files.cert, key: files.key, roots: 'TLS authorities of the channel' }
  const keys = 'peer.tls.cert.file and peer.tls.key.file'
  const tls = matchTlsFiles({ certificate, key, roots }, names, keys)
  requireOwnAuthority(tls.certificate, config, channel)
  return { tlsCertificate: tls.certificate, tlsKey: tls.key, tlsRoots: tls.roots }
}

/** Clients and other validators trust the orderer address of a member by the authorities of its organisation. */
function requireOwnAuthority(certificate: string, config: Config, channel: ValidatorChannel): void {
  const mspId = config['peer.localMspId']
  if (isVouchedFor(certificate, tlsAuthoritiesOf(channel, mspId))) return
  throw new PeerError(
    'PEER_WRONG_CERTIFICATE',
    `${config['peer.tls.cert.file']} is not issued by a TLS authority of ${mspId} in the genesis block: clients and other validators would refuse it`,
    {
      cure: 'give the TLS certificate and key of this validator, in peer.tls.cert.file and .key.file',
    },
  )
}

function replicaOf(channel: ValidatorChannel, signer: SigningIdentity): number {
  const holder = certificateHolder(signer.serialized)
  const replica = channel.consenters.findIndex(
    ({ identity }) => holder !== undefined && certificateHolder(identity) === holder,
  )
  if (replica !== -1) return replica
  throw new PeerError(
    'PEER_WRONG_CERTIFICATE',
    `the genesis block of ${channel.channelId} names no consenter of ${signer.mspId} with the key of this certificate`,
    {
      cure:
        'take the MSP folder that the genesis block was made with, or the right genesis block; a certificate ' +
        'is renewed for the same key, since the channel configuration cannot be updated yet',
    },
  )
}

function decodeGenesis(bytes: Uint8Array, file: string): ValidatorChannel {
  try {
    return readChannelConfig(decode(common.BlockSchema, bytes))
  } catch (error) {
    if (isCodedError(error, 'PEER_INVALID_CONFIG')) throw error
    throw new PeerError(
      'PEER_INVALID_CONFIG',
      `${file} is not a genesis block: ${messageOf(error)}`,
      {
        cure: 'take the genesis block that the other validators have',
        cause: error,
      },
    )
  }
}

/** Organisations whose members nobody here can judge are in the channel all the same: named, once. */
function tellUnsupported({ rules }: ValidatorChannel, logger: Logger): void {
  for (const [mspId, { message }] of rules.msps.unsupported) {
    logger.warn('an organisation of the channel is not supported', { mspId, why: message })
  }
}

/** The others, and clients, go where `validators` says: perhaps somebody forwards that, perhaps not. */
function tellElsewhere(config: Config, replica: number, logger: Logger): void {
  for (const { key, listens, told } of elsewhereIn(config, replica))
    logger.warn('listens elsewhere than `validators` says', {
      ...{ setting: key, listens, told },
      cure: `unless ${told} is forwarded to it, give ${key} and the entry ${replica} of validators the same address, here and on all others`,
    })
}

/**
 * Reads and checks everything that the configuration names; `logger` is told what is passed over.
 * @throws {PeerError} PEER_FILE_MISSING, PEER_NO_ACCESS, PEER_INVALID_CONFIG, PEER_WRONG_CERTIFICATE
 */
export async function readMaterial(config: Config, logger: Logger): Promise<Material> {
  const genesis = await readOf('general.genesisFile', config['general.genesisFile'])
  const channel = decodeGenesis(genesis, config['general.genesisFile'])
  tellUnsupported(channel, logger)
  const [msp, signer] = await readIdentity(config, logger)
  const material = {
    genesis,
    channel,
    msp,
    signer,
    replica: replicaOf(channel, signer),
    ...(await readTlsFiles(config, channel)),
    operationsTls: await readOperationsTls(config),
  }
  if (config.validators.length !== channel.consenters.length) {
    throw new PeerError(
      'PEER_INVALID_CONFIG',
      `validators lists ${config.validators.length}, the genesis block ${channel.consenters.length}`,
      { cure: 'list every validator of the genesis block' },
    )
  }
  tellElsewhere(config, material.replica, logger)
  return material
}

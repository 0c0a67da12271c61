import { PeerError } from '../errors.ts'
import { readOf } from '../read-named.ts'
import { addressToText } from '../config/setting.ts'
import { matchTlsFiles } from '../config/tls-files.ts'
import { isLoopback } from './access.ts'
import type { Config } from '../config/settings.ts'

/** The TLS side of an operations server, PEM. */
export interface OperationsTls {
  readonly certificate: string
  readonly key: string
  /** Whoever shows a certificate must have one of these. */
  readonly clientRoots: readonly string[]
  /** Whether nobody is let in without. */
  readonly clientAuthRequired: boolean
}

/** Keys of the configuration that name files. */
type FileKey = Extract<keyof Config, `operations.tls.${string}.file${string}`>

/**
 * Reads what `operations.tls` names.
 *
 * @returns undefined without TLS: then the server listens on loopback, or where it was asked to by name
 * @throws {PeerError} PEER_INVALID_CONFIG, PEER_FILE_MISSING, PEER_NO_ACCESS, PEER_WRONG_CERTIFICATE
 */
export async function readOperationsTls(config: Config): Promise<OperationsTls | undefined> {
  if (!config['operations.tls.enabled']) {
    refuseOpenListener(config)
    return undefined
  }
  const files = config['operations.tls.clientRootCAs.files']
  const clientAuthRequired = config['operations.tls.clientAuthRequired']
  if (clientAuthRequired && files.length === 0) {
    throw new PeerError(
      'PEER_INVALID_CONFIG',
      'operations.tls.clientAuthRequired needs operations.tls.clientRootCAs.files',
      { cure: 'name the files of the authorities whose clients may ask' },
    )
  }
  const certificate = await readFirst(config, 'operations.tls.cert.file')
  const key = await readFirst(config, 'operations.tls.key.file')
  const roots = await Promise.all(
    files.map((file) => readOf('operations.tls.clientRootCAs.files', file)),
  )
  const names = {
    certificate: config['operations.tls.cert.file'],
    key: config['operations.tls.key.file'],
    roots: 'operations.tls.clientRootCAs.files',
  }
  const tls = matchTlsFiles({ certificate, key, roots }, names, 'operations.tls')
  return {
    certificate: tls.certificate,
    key: tls.key,
    clientRoots: tls.roots,
    clientAuthRequired,
  }
}

/** Metrics, and what is wrong with a validator, in plain text to everybody: not by oversight. */
function refuseOpenListener(config: Config): void {
  const listen = config['operations.listenAddress']
  if (isLoopback(listen.host) || config['operations.allowUnencrypted']) return
  throw new PeerError(
    'PEER_INVALID_CONFIG',
    `operations.listenAddress ${addressToText(listen)} can be reached from other machines without TLS`,
    {
      cure: 'set operations.tls.enabled with a certificate, or listen on 127.0.0.1, or set operations.allowUnencrypted',
    },
  )
}

function readFirst(config: Config, key: FileKey & `${string}.file`): Promise<Buffer> {
  const file = config[key]
  if (file !== '') return readOf(key, file)
  throw new PeerError('PEER_INVALID_CONFIG', `operations.tls.enabled needs ${key}`, {
    cure: `set ${key}, or operations.tls.enabled to false`,
  })
}

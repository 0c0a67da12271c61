import { type CheckedTls, readTls } from '@heddle/msp'
import { DeliverError } from './errors.ts'
import type { ClientTls, Endpoint } from './ports.ts'

/** What an endpoint is connected to with; read once for each endpoint. */
export type TlsChoice = (endpoint: Endpoint) => CheckedTls

/**
 * Reads the own certificate, and what `endpoints` are trusted by. Those that become known later, from
 * a configuration block, are read when they are first connected to.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS, at once and from the choice
 */
export function tlsFor(tls: ClientTls | undefined, endpoints: readonly Endpoint[]): TlsChoice {
  const known = new WeakMap<Endpoint, CheckedTls>()
  const choice = (endpoint: Endpoint): CheckedTls => {
    const found = known.get(endpoint) ?? readClientTls(tls, endpoint)
    known.set(endpoint, found)
    return found
  }
  readClientTls(tls)
  endpoints.forEach(choice)
  return choice
}

/** @throws {DeliverError} DELIVER_INVALID_OPTIONS */
function readClientTls(tls: ClientTls | undefined, endpoint?: Endpoint): CheckedTls {
  const { address = '', roots = [] } = endpoint ?? {}
  const names = { certificate: 'tls.certificate', key: 'tls.key', roots: `${address}: roots` }
  try {
    return readTls({ ...tls, roots }, names)
  } catch (error) {
    const { message } = error as Error
    throw new DeliverError('DELIVER_INVALID_OPTIONS', message, { endpoint: endpoint?.address })
  }
}

/**
 * What `tls_cert_hash` must be for a client certificate: SHA-256 of its DER, 32 bytes.
 *
 * @throws {DeliverError} DELIVER_INVALID_OPTIONS when the pair cannot be used
 */
export function tlsCertificateHash(tls: ClientTls): Uint8Array {
  return readClientTls(tls).certificateHash ?? new Uint8Array()
}

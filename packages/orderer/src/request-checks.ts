import { createHash } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import { type common, timestampDate } from '@heddle/proto'
import { badRequest } from './request.ts'
import type { ServiceContext } from './service-context.ts'

/** A call that knows how its connection was authenticated; grpc-js calls do. */
export interface AuthenticatedCall {
  getAuthContext(): { sslPeerCertificate?: PeerCertificate } | null
}

/**
 * Refuses a request whose timestamp is missing or off by more than the time window.
 *
 * @throws {OrdererError} ORDERER_BAD_REQUEST
 */
export function checkTimestamp(
  { timestamp }: common.ChannelHeader,
  { clock, options }: Pick<ServiceContext, 'clock' | 'options'>,
): void {
  if (!timestamp) throw badRequest('channel header in envelope must contain timestamp')
  const off = Math.abs(timestampDate(timestamp).getTime() - clock.wallTime())
  if (off <= options.timeWindowMs) return // NaN, from a timestamp out of range, is refused
  throw badRequest(`envelope timestamp is ${off} ms off, more than ${options.timeWindowMs}`)
}

/**
 * Refuses a request that was not made for this TLS connection, so that nobody can pass on a signed
 * request of another. Only where clients need a certificate, as with Fabric.
 *
 * @throws {OrdererError} ORDERER_BAD_REQUEST
 * @see fabric v3.1.5 common/deliver/binding.go
 */
export function checkTlsBinding(
  { tlsCertHash }: common.ChannelHeader,
  call: AuthenticatedCall,
  { options }: Pick<ServiceContext, 'options'>,
): void {
  if (!options.tls.requireClientCertificate) return
  if (tlsCertHash.length === 0) throw badRequest("client didn't include its TLS cert hash")
  const certificate = call.getAuthContext()?.sslPeerCertificate?.raw
  if (!certificate) throw badRequest("client didn't send a TLS certificate")
  const actual = createHash('sha256').update(certificate).digest()
  if (actual.equals(tlsCertHash)) return
  const claimed = Buffer.from(tlsCertHash).toString('hex')
  throw badRequest(
    `claimed TLS cert hash is [${claimed}] but actual TLS cert hash is [${actual.toString('hex')}]`,
  )
}

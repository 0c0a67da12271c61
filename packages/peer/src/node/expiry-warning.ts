import { X509Certificate } from 'node:crypto'
import type { Clock, Logger } from '@heddle/interface'

const weekMs = 7 * 24 * 3_600_000
const hourMs = 3_600_000

/**
 * Tells the operator when a certificate ends: at start, and a warning in the week before.
 * @see fabric v3.1.5 common/crypto/expiration.go (TrackExpiration)
 */
export function reportExpiry(
  role: string,
  certificate: string | Buffer,
  clock: Clock,
  logger: Logger,
): void {
  const ends = new Date(new X509Certificate(certificate).validTo)
  const left = ends.getTime() - clock.wallTime()
  const fields = { certificate: role, ends: ends.toISOString() }
  if (left <= 0) logger.warn('certificate has expired', fields)
  else if (left > weekMs) logger.info('certificate will expire', fields)
  else {
    const days = Math.floor(left / (24 * hourMs))
    const hours = Math.floor(left / hourMs) % 24
    logger.warn('certificate expires within a week', { ...fields, days, hours })
  }
}

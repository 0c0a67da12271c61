import type { Clock, ClockTimer, Logger } from '@heddle/interface'
import { parseCertificate } from './certificate.ts'
import { MspError } from './errors.ts'
import { certificateDer } from './pem.ts'

/** A certificate to watch; `role` is what the log calls it. */
export interface WatchedCertificate {
  readonly role: 'enrollment' | 'server TLS' | 'client TLS'
  /** PEM. */
  readonly certificate: Uint8Array | string
}

const hourMs = 60 * 60 * 1000
const weekMs = 7 * 24 * hourMs
/** Timers of Node end here (about 24.8 days); longer waits are cut into pieces. */
const longestTimerMs = 2 ** 31 - 1

function endOf(certificate: WatchedCertificate['certificate']): Date | undefined {
  try {
    return parseCertificate(certificateDer(certificate)).notAfter
  } catch (error) {
    if (error instanceof MspError) return undefined
    throw error
  }
}

/** Calls `callback` at a wall-clock time, however far away. */
function scheduleAt(clock: Clock, atMs: number, callback: () => void): ClockTimer {
  let cancelled = false
  let timer: ClockTimer
  const arm = (): ClockTimer => {
    const left = Math.max(0, atMs - clock.wallTime())
    return clock.schedule(Math.min(left, longestTimerMs), () => {
      if (cancelled) return
      if (clock.wallTime() >= atMs) callback()
      else timer = arm()
    })
  }
  timer = arm()
  return {
    cancel: () => {
      cancelled = true
      timer.cancel()
    },
  }
}

/**
 * Writes to the log when a node's own certificates end: at once when they have ended (warn) or end
 * within a week (warn), else the date (info) and, a week before it, a warning.
 *
 * A certificate that cannot be read is left out. Cancel the result when the node stops.
 *
 * @see fabric v3.0.0 common/crypto/expiration.go
 */
export function watchExpiry(
  certificates: readonly WatchedCertificate[],
  deps: { readonly clock: Clock; readonly logger: Logger },
): ClockTimer {
  const { clock, logger } = deps
  const timers: ClockTimer[] = []
  for (const { role, certificate } of certificates) {
    const end = endOf(certificate)
    if (end === undefined) continue
    const fields = { role, expires: end.toISOString() }
    const left = end.getTime() - clock.wallTime()
    if (left < 0) {
      logger.warn('certificate has expired', fields)
    } else if (left < weekMs) {
      logger.warn('certificate expires within a week', {
        ...fields,
        hours: Math.floor(left / hourMs),
      })
    } else {
      logger.info('certificate will expire', fields)
      timers.push(
        scheduleAt(clock, end.getTime() - weekMs, () => {
          logger.warn('certificate expires within a week', { ...fields, hours: weekMs / hourMs })
        }),
      )
    }
  }
  return { cancel: () => timers.forEach((timer) => timer.cancel()) }
}

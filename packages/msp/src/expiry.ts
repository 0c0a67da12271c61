import type { Clock, ClockTimer, Logger } from '@heddle/interface'
import { parseCertificate } from './certificate.ts'
import type { Certificate } from './certificate.ts'
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

function parsed(certificate: WatchedCertificate['certificate']): Certificate | undefined {
  try {
    return parseCertificate(certificateDer(certificate))
  } catch (error) {
    if (error instanceof MspError) return undefined
    throw error
  }
}

/** Calls `callback` at a wall-clock time, however far away. */
function scheduleAt(clock: Clock, atMs: number, callback: () => void): ClockTimer {
  const arm = (): ClockTimer =>
    clock.schedule(Math.min(atMs - clock.wallTime(), longestTimerMs), () => {
      if (clock.wallTime() >= atMs) callback()
      else timer = arm()
    })
  let timer = arm()
  return { cancel: () => timer.cancel() }
}

/** What watching needs. */
interface WatchDeps {
  readonly clock: Clock
  readonly logger: Logger
}

/** Tells now what there is to tell of one certificate; gives the timers for what comes later. */
function watch(watched: WatchedCertificate, { clock, logger }: WatchDeps): ClockTimer[] {
  const certificate = parsed(watched.certificate)
  if (certificate === undefined) return []
  const { subjectText: subject, notBefore, notAfter } = certificate
  const fields = { role: watched.role, subject, expires: notAfter.toISOString() }
  const ended = (): void => logger.warn('certificate has expired', fields)
  const ending = (): void => {
    const hours = Math.floor((notAfter.getTime() - clock.wallTime()) / hourMs)
    logger.warn('certificate expires within a week', { ...fields, hours })
  }
  if (clock.wallTime() < notBefore.getTime()) {
    const now = new Date(clock.wallTime()).toISOString()
    logger.warn('certificate is not valid yet', { ...fields, from: notBefore.toISOString(), now })
  }
  const left = notAfter.getTime() - clock.wallTime()
  if (left < 0) {
    ended()
    return []
  }
  const end = scheduleAt(clock, notAfter.getTime() + 1, ended)
  if (left < weekMs) {
    ending()
    return [end]
  }
  logger.info('certificate will expire', fields)
  return [end, scheduleAt(clock, notAfter.getTime() - weekMs, ending)]
}

/**
 * Writes to the log when a node's own certificates end: at once when they have ended, are not valid
 * yet or end within a week (warn), else the date (info); then a warning a week before the end, and
 * one at the end.
 *
 * A certificate that cannot be read is left out. Cancel the result when the node stops.
 *
 * @see fabric v3.1.5 common/crypto/expiration.go
 */
export function watchExpiry(
  certificates: readonly WatchedCertificate[],
  deps: WatchDeps,
): ClockTimer {
  const timers = certificates.flatMap((certificate) => watch(certificate, deps))
  return { cancel: () => timers.forEach((timer) => timer.cancel()) }
}

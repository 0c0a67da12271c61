import { TAG } from './der.ts'
import type { DerNode } from './der.ts'
import { MspError } from './errors.ts'

const forms = {
  [TAG.utcTime]: /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/,
  [TAG.generalizedTime]: /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/,
}

/** Reads a Time of RFC 5280 §4.1.2.5: UTCTime (1950 to 2049) or GeneralizedTime, in seconds, UTC. */
export function readTime(node: DerNode): Date {
  const form = node.tag === TAG.utcTime ? forms[TAG.utcTime] : forms[TAG.generalizedTime]
  const found = form.exec(node.content.toString('latin1'))
  if (found === null || (node.tag !== TAG.utcTime && node.tag !== TAG.generalizedTime)) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'malformed time')
  }
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found
    .slice(1)
    .map(Number)
  const century = node.tag === TAG.utcTime ? (year >= 50 ? 1900 : 2000) : 0
  const time = new Date(0)
  time.setUTCFullYear(century + year, month - 1, day)
  time.setUTCHours(hour, minute, second)
  // A day that does not exist (31 February) rolls over into the next month.
  if (time.getUTCDate() !== day || time.getUTCMonth() !== month - 1) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'time that does not exist')
  }
  return time
}

import { TAG } from './der.ts'
import type { DerNode } from './der.ts'
import { MspError } from './errors.ts'

const form = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/

/** The text of a Time with four digits of year: UTCTime means 1950 to 2049. */
function fullYear(node: DerNode): string {
  const text = node.content.toString('latin1')
  if (node.tag === TAG.generalizedTime) return text
  if (node.tag !== TAG.utcTime) throw new MspError('MSP_MALFORMED_IDENTITY', 'not a time')
  return text >= '5' ? `19${text}` : `20${text}`
}

/** Reads a Time of RFC 5280 §4.1.2.5: UTCTime or GeneralizedTime, in whole seconds, UTC. */
export function readTime(node: DerNode): Date {
  const text = fullYear(node)
  const iso = text.replace(form, '$1-$2-$3T$4:$5:$6.000Z')
  const time = new Date(iso)
  // A day that does not exist (31 February) either does not parse or comes out as another day.
  if (!form.test(text) || Number.isNaN(time.getTime()) || time.toISOString() !== iso) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'malformed time')
  }
  return time
}

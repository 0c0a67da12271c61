import { isSignedWith } from './algorithm.ts'
import type { Signed } from './algorithm.ts'
import { nameOf, readSignedFrame } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { DerReader, TAG, integerContent } from './der.ts'
import { MspError } from './errors.ts'
import { readExtensions } from './extensions.ts'
import { checkCanonical } from './signature.ts'
import { readTime } from './time.ts'

/** A certificate revocation list of one CA. */
export interface RevocationList extends Signed {
  /** Lower-case hex; undefined = the list does not say whose it is. */
  readonly authorityKeyId: string | undefined
  /** Serial numbers, lower-case hex of the INTEGER's content. */
  readonly serials: ReadonlySet<string>
}

function readSerials(entries: DerReader): Set<string> {
  const serials = new Set<string>()
  while (!entries.done) {
    const entry = entries.sequence()
    serials.add(integerContent(entry.next(TAG.integer)).toString('hex'))
    readTime(entry.next()) // revocation counts from when the MSP is used, whatever the date says
  }
  return serials
}

/**
 * Parses a DER CertificateList (RFC 5280 §5.1).
 *
 * @throws MspError `MSP_MALFORMED_IDENTITY`, `MSP_MALFORMED_SIGNATURE`
 */
export function parseRevocationList(der: Uint8Array): RevocationList {
  const { toBeSigned, fields, algorithm, signature } = readSignedFrame(der)
  if (algorithm.key === 'ec') checkCanonical(signature)
  fields.optional(TAG.integer)
  fields.sequence()
  fields.next(TAG.sequence)
  readTime(fields.next())
  const next = fields.peek()
  if (next === TAG.utcTime || next === TAG.generalizedTime) readTime(fields.next())
  const entries = fields.optional(TAG.sequence)
  const extensions = fields.optional(0xa0)
  fields.end()
  return {
    authorityKeyId: readExtensions(extensions?.content).authorityKeyId,
    serials: readSerials(new DerReader(entries?.content ?? Buffer.alloc(0))),
    toBeSigned,
    algorithm,
    signature,
  }
}

/** Whether `list` counts for what `issuer` issued: it names the issuer's key, which signed it. */
export function isListOf(list: RevocationList, issuer: Certificate): boolean {
  return list.authorityKeyId === issuer.subjectKeyId && isSignedWith(list, issuer.publicKey)
}

/**
 * Why `lists` speak against `certificate`, or undefined: its issuer has revoked it, or a list does
 * not say whose it is, so that nobody knows.
 *
 * A list counts only when its authority key id is the issuer's subject key id and the issuer signed
 * it (SHA-1 will do); its dates do not matter.
 *
 * @see fabric v3.1.5 msp/mspimplvalidate.go, validateCertAgainstChain
 */
export function revocationFault(
  certificate: Certificate,
  issuer: Certificate,
  lists: readonly RevocationList[],
): MspError | undefined {
  for (const list of lists) {
    if (list.authorityKeyId === undefined) {
      return new MspError(
        'MSP_INVALID_CONFIG',
        'a revocation list has no authority key id: it does not say which CA it belongs to',
      )
    }
    if (list.serials.has(certificate.serial) && isListOf(list, issuer)) {
      return new MspError(
        'MSP_REVOKED',
        `certificate ${nameOf(certificate)} has been revoked by its CA ${nameOf(issuer)}`,
      )
    }
  }
  return undefined
}

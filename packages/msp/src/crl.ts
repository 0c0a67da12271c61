import { verify } from 'node:crypto'
import { readSignedFrame } from './certificate.ts'
import type { Certificate } from './certificate.ts'
import { DerReader, TAG, integerContent } from './der.ts'
import { readExtensions } from './extensions.ts'
import { readTime } from './time.ts'

/** A certificate revocation list of one CA. */
export interface RevocationList {
  /** Lower-case hex; undefined = the list names no authority and applies to nothing, as in Fabric. */
  readonly authorityKeyId: string | undefined
  /** Serial numbers, lower-case hex of the INTEGER's content. */
  readonly serials: ReadonlySet<string>
  readonly toBeSigned: Buffer
  readonly digest: string
  readonly signature: Buffer
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

/** Parses a DER CertificateList (RFC 5280 §5.1); throws `MSP_MALFORMED_IDENTITY` or `…_UNSUPPORTED_…`. */
export function parseRevocationList(der: Uint8Array): RevocationList {
  const { toBeSigned, digest, signature } = readSignedFrame(der)
  const fields = new DerReader(toBeSigned.content)
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
    toBeSigned: toBeSigned.bytes,
    digest,
    signature,
  }
}

/**
 * Whether `issuer` has revoked `certificate` in one of `lists`.
 *
 * A list counts only when its authority key id is the issuer's subject key id and the issuer signed
 * it; its dates do not matter (msp/mspimplvalidate.go).
 */
export function isRevoked(
  certificate: Certificate,
  issuer: Certificate,
  lists: readonly RevocationList[],
): boolean {
  return lists.some(
    (list) =>
      list.authorityKeyId !== undefined &&
      list.authorityKeyId === issuer.subjectKeyId &&
      list.serials.has(certificate.serial) &&
      verify(list.digest, list.toBeSigned, issuer.publicKey, list.signature),
  )
}

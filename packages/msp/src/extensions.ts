import { DerReader, TAG, integerContent, oidText } from './der.ts'
import type { DerNode } from './der.ts'
import { MspError } from './errors.ts'
import { shown } from './shown.ts'

/** The extensions of RFC 5280 §4.2 that decide whether a chain is accepted. */
export interface Extensions {
  /** Basic constraints say that it may issue certificates. */
  readonly isCa: boolean
  /** How many intermediates may stand below it; undefined = any number. */
  readonly maxPathLength: number | undefined
  /** First byte of the key usage bits; undefined when the extension is absent or sets none, as in Go. */
  readonly keyUsage: number | undefined
  /** Purposes by object identifier; empty when the extension is absent. */
  readonly extendedKeyUsage: readonly string[]
  /** Lower-case hex; undefined when the extension is absent, empty when it names no key. */
  readonly subjectKeyId: string | undefined
  readonly authorityKeyId: string | undefined
  /** The whole extension; undefined when it is absent. */
  readonly subjectAltName: string | undefined
  /** Limits the names below it; see `nameConstraintsFault`. */
  readonly hasNameConstraints: boolean
  /** Critical extensions that this package does not apply: a chain with one of them is refused. */
  readonly unhandledCritical: readonly string[]
}

/** Key usage bits in the first byte of the BIT STRING. */
export const KEY_USAGE = { digitalSignature: 0x80, certificateSign: 0x04, crlSign: 0x02 } as const

const id = {
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  crlDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
}

type Draft = { -readonly [Key in keyof Extensions]: Extensions[Key] }

function basicConstraints(value: DerReader, draft: Draft): void {
  const fields = value.sequence()
  draft.isCa = fields.optional(TAG.boolean)?.content[0] === 0xff
  const length = fields.optional(TAG.integer)
  fields.end()
  if (length === undefined) return
  const digits = integerContent(length)
  // Nobody builds chains of 128 intermediates; a longer number means "any" just as well.
  draft.maxPathLength = digits.length === 1 ? digits.readInt8() : 127
  if (draft.maxPathLength < 0) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'negative path length')
  }
}

function extendedKeyUsage(value: DerReader, draft: Draft): void {
  const purposes: string[] = []
  const fields = value.sequence()
  while (!fields.done) purposes.push(oidText(fields.next(TAG.oid)))
  draft.extendedKeyUsage = purposes
}

const readers: Readonly<Record<string, (value: DerReader, draft: Draft) => void>> = {
  [id.basicConstraints]: basicConstraints,
  [id.extendedKeyUsage]: extendedKeyUsage,
  [id.keyUsage]: (value, draft) => {
    const [, ...bits] = value.next(TAG.bitString).content
    if (bits.some((byte) => byte !== 0)) draft.keyUsage = bits[0]
  },
  [id.subjectKeyId]: (value, draft) => {
    draft.subjectKeyId = value.next(TAG.octetString).content.toString('hex')
  },
  [id.authorityKeyId]: (value, draft) => {
    draft.authorityKeyId = value.sequence().optional(0x80)?.content.toString('hex') ?? ''
  },
  [id.subjectAltName]: (value, draft) => {
    draft.subjectAltName = value.next().bytes.toString('hex')
  },
  [id.nameConstraints]: (_value, draft) => {
    draft.hasNameConstraints = true
  },
  // Neither can make a chain invalid: nothing here asks for a policy or fetches a list.
  [id.crlDistributionPoints]: () => undefined,
  [id.certificatePolicies]: () => undefined,
}

function readExtension(extension: DerReader, draft: Draft, seen: Set<string>): void {
  const oid = oidText(extension.next(TAG.oid))
  const critical = extension.optional(TAG.boolean)?.content[0] === 0xff
  const value: DerNode = extension.next(TAG.octetString)
  extension.end()
  if (seen.has(oid)) throw new MspError('MSP_MALFORMED_IDENTITY', `extension ${shown(oid)} twice`)
  seen.add(oid)
  const reader = readers[oid]
  if (reader !== undefined) reader(new DerReader(value.content), draft)
  else if (critical) draft.unhandledCritical = [...draft.unhandledCritical, oid]
}

/** Reads the extensions field of a certificate or a CRL: a SEQUENCE, or undefined for none. */
export function readExtensions(field: Uint8Array | undefined): Extensions {
  const draft: Draft = {
    isCa: false,
    maxPathLength: undefined,
    keyUsage: undefined,
    extendedKeyUsage: [],
    subjectKeyId: undefined,
    authorityKeyId: undefined,
    subjectAltName: undefined,
    hasNameConstraints: false,
    unhandledCritical: [],
  }
  if (field === undefined) return draft
  const list = new DerReader(field).sequence()
  const seen = new Set<string>()
  while (!list.done) readExtension(list.sequence(), draft, seen)
  return draft
}

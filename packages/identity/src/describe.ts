import { X509Certificate } from 'node:crypto'
import { decode, msp } from '@heddle/proto'

/** Bytes that are no X.509 identity are shown up to this length. */
const maxShownBytes = 4096

const pemBlock = /-----BEGIN [^-\n]+-----([A-Za-z0-9+/=\s]+)-----END [^-\n]+-----/

/**
 * A line that tells people whose identity this is: names of subject and issuer and the MSP id, as
 * JSON with sorted keys, or why there are none, with the bytes in base64. Never throws. Nothing is
 * validated: the names are what the sender claims.
 *
 * @see fabric v3.1.5 gossip/api/crypto.go (PeerIdentityType.String)
 */
export function describeIdentity(identity: Uint8Array): string {
  const parts = partsOf(identity)
  if (parts === undefined) return `non SerializedIdentity: ${base64(identity)}`
  const pem = pemBlock.exec(Buffer.from(parts.idBytes).toString('latin1'))
  if (pem === null) return `non PEM encoded identity: ${base64(identity)}`
  const certificate = certificateOf(Buffer.from(pem[1] as string, 'base64'))
  if (certificate === undefined) return `non x509 identity: ${base64(identity)}`
  const subject = namesOf(certificate.subject)
  const issuer = namesOf(certificate.issuer)
  return JSON.stringify({
    CN: subject.commonName,
    'Issuer-CN': issuer.commonName,
    'Issuer-L-ST-C': issuer.place,
    'Issuer-OU': issuer.units,
    'L-ST-C': subject.place,
    MSP: parts.mspid,
    OU: subject.units,
  })
}

interface Names {
  readonly commonName: string
  /** Null where there are none, as Go prints an empty list. */
  readonly units: readonly string[] | null
  /** Locality, street (not state, in spite of Fabric's key) and country. */
  readonly place: string
}

function partsOf(identity: Uint8Array): msp.SerializedIdentity | undefined {
  try {
    return decode(msp.SerializedIdentitySchema, identity)
  } catch {
    return undefined
  }
}

function certificateOf(der: Uint8Array): { subject: object; issuer: object } | undefined {
  try {
    const { subject, issuer } = new X509Certificate(der).toLegacyObject()
    return { subject, issuer }
  } catch {
    return undefined
  }
}

function namesOf(name: object): Names {
  const values = (key: string): string[] => {
    const value = (name as Readonly<Record<string, string | string[] | undefined>>)[key]
    return value === undefined ? [] : [value].flat()
  }
  const units = values('OU')
  const list = (key: string): string => `[${values(key).join(' ')}]`
  return {
    commonName: values('CN').at(-1) ?? '',
    units: units.length > 0 ? units : null,
    place: `${list('L')}-${list('street')}-${list('C')}`,
  }
}

function base64(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, maxShownBytes)).toString('base64')
  return bytes.length > maxShownBytes ? `${shown}… (${bytes.length} bytes)` : shown
}

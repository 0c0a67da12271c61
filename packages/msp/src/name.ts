import { DerReader, TAG, oidText } from './der.ts'
import type { DerNode } from './der.ts'
import { MspError } from './errors.ts'
import { maxShownCharacters } from './shown.ts'

const commonName = '2.5.4.3'
const organizationalUnit = '2.5.4.11'

function malformed(): MspError {
  return new MspError('MSP_MALFORMED_IDENTITY', 'a name holds characters that its type excludes')
}

/** The characters, which must all be of the kind that the string's type allows. */
function checked(value: DerNode, allowed: RegExp): string {
  const characters = value.content.toString('latin1')
  if (!allowed.test(characters)) throw malformed()
  return characters
}

function utf8(value: DerNode): string {
  const characters = value.content.toString('utf8')
  if (!Buffer.from(characters, 'utf8').equals(value.content)) throw malformed()
  return characters
}

/** The text of an attribute; undefined for types that are no text. */
function text(value: DerNode): string | undefined {
  switch (value.tag) {
    case TAG.utf8String:
      return utf8(value)
    case TAG.printableString:
      // With * and &, which are not in the type but in many certificates: Go takes them as well.
      return checked(value, /^[A-Za-z0-9 '()+,\-./:=?*&]*$/)
    case TAG.ia5String:
      return checked(value, /^\p{ASCII}*$/u)
    case TAG.t61String:
      return value.content.toString('latin1')
    case TAG.bmpString:
      if (value.content.length % 2 !== 0) throw malformed()
      return Buffer.from(value.content).swap16().toString('utf16le')
    default:
      return undefined
  }
}

/** What an MSP needs from a subject. */
export interface NameParts {
  /** In its order. */
  readonly organizationalUnits: readonly string[]
  readonly commonName: string | undefined
  /** The whole name for people, last attribute first as in Go: `CN=peer0,OU=peer,O=org1`. */
  readonly subjectText: string
}

const shortNames: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.5': 'SERIALNUMBER',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
}

/** Reads a Name (RFC 5280 §4.1.2.4); of several common names the last one counts, as in Go. */
export function decodeName(content: Uint8Array): NameParts {
  const organizationalUnits: string[] = []
  const shown: string[] = []
  let name: string | undefined
  const sets = new DerReader(content)
  while (!sets.done) {
    const attributes = new DerReader(sets.next(TAG.set).content)
    while (!attributes.done) {
      const attribute = attributes.sequence()
      const type = oidText(attribute.next(TAG.oid))
      const value = text(attribute.next())
      attribute.end()
      if (value === undefined) continue
      shown.unshift(`${shortNames[type] ?? type}=${value}`)
      if (type === organizationalUnit) organizationalUnits.push(value)
      if (type === commonName) name = value
    }
  }
  return {
    organizationalUnits,
    commonName: name,
    subjectText: shown.join(',').slice(0, maxShownCharacters),
  }
}

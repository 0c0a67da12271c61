import { DerReader, TAG, oidText } from './der.ts'
import type { DerNode } from './der.ts'

const commonName = '2.5.4.3'
const organizationalUnit = '2.5.4.11'

function text(value: DerNode): string | undefined {
  switch (value.tag) {
    case TAG.utf8String:
      return value.content.toString('utf8')
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.t61String:
      return value.content.toString('latin1')
    case TAG.bmpString:
      if (value.content.length % 2 !== 0) return undefined
      return Buffer.from(value.content).swap16().toString('utf16le')
    default:
      return undefined
  }
}

/** What an MSP needs from a subject: its organisational units, in order, and its common name. */
export interface NameParts {
  readonly organizationalUnits: readonly string[]
  readonly commonName: string | undefined
}

/** Reads a Name (RFC 5280 §4.1.2.4); of several common names the last one counts, as in Go. */
export function decodeName(content: Uint8Array): NameParts {
  const organizationalUnits: string[] = []
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
      if (type === organizationalUnit) organizationalUnits.push(value)
      if (type === commonName) name = value
    }
  }
  return { organizationalUnits, commonName: name }
}

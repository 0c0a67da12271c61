import { DerReader, TAG, derEncode } from '../../src/der.ts'

/** The elements in the content of a SEQUENCE. */
export function elementsOf(der: Uint8Array): Buffer[] {
  const inner = new DerReader(der).sequence()
  const elements: Buffer[] = []
  while (!inner.done) elements.push(Buffer.from(inner.next().bytes))
  return elements
}

export const sequence = (...elements: readonly Uint8Array[]): Buffer =>
  derEncode(TAG.sequence, ...elements)

/** The bytes of a certificate or a list, with the parts that are signed changed. */
export function changed(der: Uint8Array, change: (fields: Buffer[]) => Uint8Array[]): Buffer {
  const [signed, ...rest] = elementsOf(der)
  return sequence(sequence(...change(elementsOf(signed!))), ...rest)
}

/** The bytes of a certificate with another SubjectPublicKeyInfo; the signature does not fit any more. */
export function withKey(der: Uint8Array, key: Uint8Array): Buffer {
  return changed(der, (fields) => [...fields.slice(0, 6), key, ...fields.slice(7)])
}

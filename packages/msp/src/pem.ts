import { MspError } from './errors.ts'

/** What a PEM text holds: the first block's type and bytes, and what follows the block. */
export interface PemBlock {
  readonly type: string
  readonly der: Buffer
  /** Everything behind the line that ends the block. */
  readonly rest: string
}

const begin = '-----BEGIN '
const dashes = '-----'

/** The text after the first line that starts with `mark`, and that line's own text behind it. */
function lineStartingWith(
  source: string,
  mark: string,
): { at: number; line: string; next: number } | undefined {
  const at = source.startsWith(mark) ? 0 : source.indexOf(`\n${mark}`) + 1
  if (at === 0 && !source.startsWith(mark)) return undefined
  const newline = source.indexOf('\n', at)
  const next = newline === -1 ? source.length : newline + 1
  return { at, line: source.slice(at + mark.length, next).trimEnd(), next }
}

/** The base64 text of a block's body: header lines (`Name: value`) at its start do not count. */
function withoutHeaders(body: string): string {
  const lines = body.split('\n')
  const first = lines.findIndex((line) => !line.includes(':'))
  return first === -1 ? '' : lines.slice(first).join('').replace(/\s/g, '')
}

/**
 * Decodes the first PEM block in `text` (RFC 7468), with the leniency of Go's `pem.Decode`: text
 * before the block and headers inside it are skipped.
 *
 * @returns undefined when there is no well-formed block
 */
export function decodePem(text: Uint8Array | string): PemBlock | undefined {
  const source = typeof text === 'string' ? text : Buffer.from(text).toString('latin1')
  const opening = lineStartingWith(source, begin)
  if (opening?.line.endsWith(dashes) !== true) return undefined
  const type = opening.line.slice(0, -dashes.length)
  const behind = source.slice(opening.next)
  const closing = lineStartingWith(behind, `-----END ${type}${dashes}`)
  if (closing?.line !== '') return undefined
  const base64 = withoutHeaders(behind.slice(0, closing.at))
  const der = Buffer.from(base64, 'base64')
  // Buffer skips what is not base64: only an exact round trip proves that nothing was skipped.
  if (der.length === 0 || der.toString('base64') !== base64) return undefined
  return { type, der, rest: behind.slice(closing.next) }
}

/** PEM as Go writes it: 64 columns, `\n` line ends, one at the end too. */
export function encodePem(type: string, der: Uint8Array): string {
  const body = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${type}-----\n${body}\n-----END ${type}-----\n`
}

/** The DER of the certificate in `text`; throws `MSP_MALFORMED_IDENTITY` when there is none. */
export function certificateDer(text: Uint8Array | string): Buffer {
  const found = decodePem(text)
  if (found === undefined) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'no PEM block could be decoded')
  }
  if (found.type !== 'CERTIFICATE' && found.type !== '') {
    throw new MspError(
      'MSP_MALFORMED_IDENTITY',
      `the PEM block is a ${JSON.stringify(found.type)}, not a CERTIFICATE`,
    )
  }
  return found.der
}

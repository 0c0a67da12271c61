import { MspError } from './errors.ts'
import { shown } from './shown.ts'

/** What a PEM text holds: the first block's type and bytes, and what follows the block. */
export interface PemBlock {
  readonly type: string
  readonly der: Buffer
  /** Its headers say that `der` is encrypted (RFC 1421 §4.6.1.1). */
  readonly isEncrypted: boolean
  /** Everything behind the line that ends the block. */
  readonly rest: string
}

const beginMark = '-----BEGIN '
const endMark = '\n-----END '
const dashes = '-----'

/** Header lines (`Name: value`) at the start of a block's body, and the base64 behind them. */
function splitBody(body: string): { headers: string; base64: string } {
  const lines = body.split('\n')
  const first = lines.findIndex((line) => !line.includes(':'))
  const count = first === -1 ? lines.length : first
  return {
    headers: lines.slice(0, count).join('\n'),
    base64: lines.slice(count).join('').replace(/\s/g, ''),
  }
}

function endOfLine(source: string, from: number): number {
  const newline = source.indexOf('\n', from)
  return newline === -1 ? source.length : newline
}

/** The block whose END line begins at `end`, when it is well-formed and begins behind `from`. */
function blockEndingAt(source: string, from: number, end: number): PemBlock | undefined {
  const offset = source.slice(from, end).lastIndexOf(beginMark)
  const begin = from + offset
  if (offset === -1 || (offset > 0 && source[begin - 1] !== '\n')) return undefined
  const opened = endOfLine(source, begin)
  const opening = source.slice(begin + beginMark.length, opened).trimEnd()
  if (!opening.endsWith(dashes)) return undefined
  const type = opening.slice(0, -dashes.length)
  const closed = endOfLine(source, end + endMark.length)
  const closing = source.slice(end + endMark.length, closed).trimEnd()
  if (closing !== `${type}${dashes}`) return undefined
  const { headers, base64 } = splitBody(source.slice(opened + 1, end))
  const der = Buffer.from(base64, 'base64')
  // Buffer skips what is not base64: only an exact round trip proves that nothing was skipped.
  if (der.length === 0 || der.toString('base64') !== base64) return undefined
  const isEncrypted = /^Proc-Type:.*ENCRYPTED/m.test(headers)
  return { type, der, isEncrypted, rest: source.slice(closed + 1) }
}

/**
 * Decodes the first well-formed PEM block in `text` (RFC 7468), with the leniency of Go's
 * `pem.Decode`: text before it, broken blocks and headers are skipped.
 *
 * @returns undefined when there is none
 */
export function decodePem(text: Uint8Array | string): PemBlock | undefined {
  const source = typeof text === 'string' ? text : Buffer.from(text).toString('latin1')
  let from = 0
  for (;;) {
    const end = source.indexOf(endMark, from)
    if (end === -1) return undefined
    const block = blockEndingAt(source, from, end)
    if (block !== undefined) return block
    from = end + endMark.length
  }
}

/** How many PEM blocks begin in `text`, well-formed or not. */
export function pemBlocksIn(text: Uint8Array): number {
  return (
    Buffer.from(text)
      .toString('latin1')
      .match(/^-----BEGIN /gm)?.length ?? 0
  )
}

/** PEM as Go writes it: 64 columns, `\n` line ends, one at the end too. */
export function encodePem(type: string, der: Uint8Array): string {
  const body = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN ${type}-----\n${body}\n-----END ${type}-----\n`
}

/** The first block of `text`, a certificate; throws `MSP_MALFORMED_IDENTITY` when it is none. */
export function certificateBlock(text: Uint8Array | string): PemBlock {
  const found = decodePem(text)
  if (found === undefined) {
    throw new MspError('MSP_MALFORMED_IDENTITY', 'no PEM block could be decoded')
  }
  if (found.type !== 'CERTIFICATE' && found.type !== '') {
    throw new MspError(
      'MSP_MALFORMED_IDENTITY',
      `the PEM block is a ${shown(found.type)}, not a CERTIFICATE`,
    )
  }
  return found
}

/** The DER of the certificate in `text`; throws `MSP_MALFORMED_IDENTITY` when there is none. */
export function certificateDer(text: Uint8Array | string): Buffer {
  return certificateBlock(text).der
}

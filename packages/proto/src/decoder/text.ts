import { getTextEncoding } from '@bufbuild/protobuf/wire'

/** Longest text, in bytes, that is put together character by character: sooner up to there. */
const SHORT = 64

/** The text in these bytes of UTF-8; `undefined` when they are not UTF-8. */
export function textOf(bytes: Uint8Array, start: number, stop: number): string | undefined {
  const short = stop - start <= SHORT ? ascii(bytes, start, stop) : undefined
  if (short !== undefined) return short
  try {
    return getTextEncoding().decodeUtf8(bytes.subarray(start, stop), true)
  } catch {
    return undefined
  }
}

function ascii(bytes: Uint8Array, start: number, stop: number): string | undefined {
  const codes = new Array<number>(stop - start)
  for (let at = start; at < stop; at++) {
    const byte = bytes[at] ?? 0
    if (byte >= 0x80) return undefined
    codes[at - start] = byte
  }
  return String.fromCharCode(...codes)
}

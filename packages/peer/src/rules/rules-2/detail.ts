/** Most bytes of a detail of a rejection. */
export const maxDetailBytes = 64

const isContinuation = (byte: number | undefined): boolean => ((byte ?? 0) & 0xc0) === 0x80

/**
 * The beginning of a text, without half surrogate pairs, as a detail of a rejection: at most
 * {@link maxDetailBytes} of UTF-8, cut between characters.
 */
export function cut(text: string): Uint8Array {
  // No character has more than two units, and no unit less than a byte.
  const bytes = Buffer.from(text.slice(0, maxDetailBytes + 1))
  if (bytes.length <= maxDetailBytes) return bytes
  let end = maxDetailBytes
  while (isContinuation(bytes[end])) end--
  return bytes.subarray(0, end)
}

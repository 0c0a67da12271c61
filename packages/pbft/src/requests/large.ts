/**
 * Most bytes of a small request. Longer ones wait in lines of their own, so that a few of them keep
 * nobody's small ones waiting. A usual transaction has some 4 KiB.
 */
export const smallRequestBytes = 32 * 1024

/** Whether a request waits with the large ones. */
export function isLarge(request: Uint8Array): boolean {
  return request.length > smallRequestBytes
}

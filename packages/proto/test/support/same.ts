type Properties = Readonly<Record<string, unknown>>

/**
 * Where and how two values can be told apart, if they can: classes, properties and their order,
 * and for bytes the memory that they are in.
 */
export function difference(ours: unknown, theirs: unknown): string | undefined {
  if (Object.is(ours, theirs)) return undefined
  if (!isObject(ours) || !isObject(theirs)) return `: ${String(ours)}, not ${String(theirs)}`
  if (Object.getPrototypeOf(ours) !== Object.getPrototypeOf(theirs)) return ': another class'
  if (ours instanceof Uint8Array && theirs instanceof Uint8Array) {
    return isSameMemory(ours, theirs) ? undefined : ': other memory'
  }
  const keys = Reflect.ownKeys(theirs).map(String)
  const ourKeys = Reflect.ownKeys(ours).map(String)
  if (keys.join() !== ourKeys.join()) return `: ${ourKeys.join()}, not ${keys.join()}`
  for (const key of keys) {
    const inside = difference(ours[key], theirs[key])
    if (inside !== undefined) return `.${key}${inside}`
  }
  return undefined
}

function isObject(value: unknown): value is Properties {
  return typeof value === 'object' && value !== null
}

/** Entries of a map without a value get new empty bytes each time. */
function isSameMemory(ours: Uint8Array, theirs: Uint8Array): boolean {
  if (ours.buffer.byteLength === 0 && theirs.buffer.byteLength === 0) return true
  return (
    ours.buffer === theirs.buffer &&
    ours.byteOffset === theirs.byteOffset &&
    ours.length === theirs.length
  )
}

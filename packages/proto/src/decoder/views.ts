/** Makes an array of bytes in memory that there is already. */
export type View = new (memory: ArrayBufferLike, offset: number, length: number) => Uint8Array

/**
 * What `subarray` of a Buffer makes: `Buffer` itself cannot be constructed any more. Without it no
 * Buffer is taken.
 */
const { [Symbol.species]: BufferView } = Buffer as unknown as { [Symbol.species]?: View }

/**
 * The class of what `bytes.subarray` gives, which takes twice as long. `undefined` for what is
 * neither a Buffer nor a plain Uint8Array.
 */
export function viewOf(bytes: unknown): View | undefined {
  if (!(bytes instanceof Uint8Array)) return undefined
  const prototype: unknown = Object.getPrototypeOf(bytes)
  if (prototype === Buffer.prototype) return BufferView
  return prototype === Uint8Array.prototype ? Uint8Array : undefined
}

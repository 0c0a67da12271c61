import type { Commit, Prepare, Vote } from '../core/messages.ts'

/** Tags of `heddle.pbft.Message` and of `heddle.pbft.Vote`, as protobuf has them on the wire. */
const tags = { prepare: 0x12, commit: 0x1a, view: 0x08, sequence: 0x10, digest: 0x1a } as const
const digestBytes = 32
/** Most bytes of a vote without its two numbers, and of a number that is read here. */
const fixedBytes = 4 + digestBytes
const maxVarintBytes = 7

/**
 * Encodes a `heddle.pbft.Message` with a prepare or a commit in it. Votes are most of the messages,
 * so they have a codec of their own; its bytes are those of the general one.
 */
export function encodeVote(type: 'prepare' | 'commit', { view, sequence, digest }: Vote): Buffer {
  const bytes = Buffer.allocUnsafe(2 + fixedBytes + 20)
  let at = 2
  if (view > 0n) at = writeNumber(bytes, at, tags.view, view)
  if (sequence > 0n) at = writeNumber(bytes, at, tags.sequence, sequence)
  bytes[at++] = tags.digest
  bytes[at++] = digestBytes
  at += bytes.write(digest, at, digestBytes, 'hex')
  bytes[0] = tags[type]
  bytes[1] = at - 2
  return bytes.subarray(0, at)
}

/**
 * Decodes what {@link encodeVote} wrote. Undefined for everything else, which is not to say that it
 * is wrong: the general codec has the last word.
 */
export function decodeVote(bytes: Buffer): Prepare | Commit | undefined {
  const type = bytes[0] === tags.prepare ? 'prepare' : 'commit'
  if (bytes[0] !== tags[type] || bytes[1] !== bytes.length - 2) return undefined
  const view = readNumber(bytes, 2, tags.view)
  const sequence = readNumber(bytes, view.next, tags.sequence)
  const at = sequence.next
  if (bytes[at] !== tags.digest || bytes[at + 1] !== digestBytes) return undefined
  if (bytes.length !== at + 2 + digestBytes) return undefined
  const digest = bytes.toString('hex', at + 2)
  return { type, view: BigInt(view.value), sequence: BigInt(sequence.value), digest }
}

function writeNumber(target: Buffer, start: number, tag: number, value: bigint): number {
  let at = start
  target[at++] = tag
  let rest = value
  for (; rest > 0x7fffffffn; rest >>= 7n) target[at++] = Number(rest & 0x7fn) | 0x80
  let small = Number(rest)
  for (; small > 0x7f; small >>>= 7) target[at++] = (small & 0x7f) | 0x80
  target[at++] = small
  return at
}

/** The number with this tag at `start`; 0, and nothing read, when another field is there. */
function readNumber(bytes: Buffer, start: number, tag: number): { value: number; next: number } {
  if (bytes[start] !== tag) return { value: 0, next: start }
  let value = 0
  for (let index = 0; index < maxVarintBytes; index++) {
    const byte = bytes[start + 1 + index] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, next: start + 2 + index }
  }
  // Longer than any number of a correct replica: what follows cannot match, so the general codec decides.
  return { value: 0, next: bytes.length }
}

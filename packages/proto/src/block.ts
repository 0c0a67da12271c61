import { createHash } from 'node:crypto'
import type { BlockHeader } from './gen/common/common_pb.ts'
import { ProtoInvalidMessageError } from './errors.ts'

const INTEGER = 0x02
const OCTET_STRING = 0x04
const SEQUENCE = 0x30
const MAX_NUMBER = 2n ** 64n - 1n

/**
 * The bytes of a block header that hashes and signatures cover: ASN.1 DER
 * `SEQUENCE { number INTEGER, previousHash OCTET STRING, dataHash OCTET STRING }`.
 *
 * @throws {ProtoInvalidMessageError} PROTO_INVALID_MESSAGE when the number is not an unsigned 64-bit number
 * @see fabric v3.0.0 protoutil/blockutils.go (BlockHeaderBytes)
 */
export function blockHeaderBytes(header: BlockHeader): Buffer {
  const { number, previousHash, dataHash } = header
  if (typeof number !== 'bigint' || number < 0n || number > MAX_NUMBER) {
    throw new ProtoInvalidMessageError('common.BlockHeader', {
      cause: new RangeError(`block number ${String(number)} is not an unsigned 64-bit number`),
    })
  }
  return der(SEQUENCE, [
    der(INTEGER, [unsignedInteger(number)]),
    der(OCTET_STRING, [previousHash]),
    der(OCTET_STRING, [dataHash]),
  ])
}

/** SHA-256 of {@link blockHeaderBytes}: the next block's `previousHash`. 32 bytes. */
export function blockHeaderHash(header: BlockHeader): Buffer {
  return createHash('sha256').update(blockHeaderBytes(header)).digest()
}

/**
 * SHA-256 over the block's transactions as they are encoded, one after the other: the header's
 * `dataHash`. 32 bytes. Lengths are not covered, so moving a boundary keeps the hash.
 *
 * @see fabric v3.0.0 protoutil/blockutils.go (ComputeBlockDataHash)
 */
export function blockDataHash(data: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const transaction of data) hash.update(transaction)
  return hash.digest()
}

/** Shortest two's complement: a number whose top bit is set gets a leading zero byte. */
function unsignedInteger(value: bigint): Buffer {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes])
}

function der(tag: number, contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, content) => sum + content.length, 0)
  return Buffer.concat([Buffer.of(tag, ...derLength(length)), ...contents])
}

/** One byte below 128, else the number of length bytes and then those. */
function derLength(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

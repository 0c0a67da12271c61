import { sentenceOf } from '@heddle/client'
import { PeerError } from '../../errors.ts'
import { accountsContract, isTransfer } from './accounts.ts'
import { isObject, readObject } from './json-object.ts'
import { recordsContract } from './records.ts'
import type { JsonObject } from './json-object.ts'

/**
 * The object that a line of an input holds.
 * @throws {PeerError} PEER_BAD_LINE when it holds none, or one that names a member twice
 */
export function readLine(line: string): JsonObject {
  const read = readObject(line)
  if (isObject(read)) return read
  throw new PeerError('PEER_BAD_LINE', sentenceOf(read))
}

/**
 * Which contract a line is for: `accounts` when it has from, to and amount, otherwise `records`.
 * @throws {PeerError} PEER_BAD_LINE as {@link readLine}
 */
export function contractOf(line: string): string {
  return isTransfer(readLine(line)) ? accountsContract : recordsContract
}

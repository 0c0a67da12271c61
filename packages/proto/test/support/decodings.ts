import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, Message } from '@bufbuild/protobuf'
import { expect } from 'chai'
import { ProtoMalformedError, decode } from '../../src/index.ts'
import { decodeFast } from '../../src/decoder/decoder.ts'
import { difference } from './same.ts'

interface Outcome {
  readonly message?: Message
  readonly error?: unknown
}

function outcomeOf(action: () => Message): Outcome {
  try {
    return { message: action() }
  } catch (error) {
    return { error }
  }
}

/**
 * Holds that `decode` gives what `fromBinary` gives, or refuses what it refuses with its reason, and
 * that `decodeFast` gives the same or nothing.
 *
 * @returns whether `decodeFast` took it
 */
export function expectSameDecoding(schema: DescMessage, bytes: Uint8Array, note: string): boolean {
  const { message, error } = outcomeOf(() => fromBinary(schema, bytes))
  const ours = outcomeOf(() => decode(schema, bytes))
  const fast = decodeFast(schema, bytes)
  if (message === undefined) {
    expect(fast, `${note}: is not taken`).to.equal(undefined)
    expect(ours.error, note).to.be.instanceOf(ProtoMalformedError)
    expect(String((ours.error as Error).cause), note).to.equal(String(error))
    return false
  }
  expect(difference(ours.message, message), note).to.equal(undefined)
  if (fast === undefined) return false
  expect(difference(fast, message), note).to.equal(undefined)
  const [again, reference] = [toBinary(schema, fast), toBinary(schema, message)]
  expect(Buffer.compare(again, reference), `${note}: encoded again`).to.equal(0)
  return true
}

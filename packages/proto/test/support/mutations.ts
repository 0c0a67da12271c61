import type { Random } from './random.ts'

type Mutation = (bytes: Buffer, random: Random) => Buffer

/** Tags and values that are worth meeting anywhere. */
const MORSELS =
  '00 08 0a 0b 0c 0d 1a 80 8000 8a00 ff 0a00 1000 f87f01 c280 eda080 8a808000 ffffffff0f'
    .concat(' 80808080808000 ffffffffffffffffff01')
    .split(' ')

function cut(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, random(bytes.length + 1))
}

function flip(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes)
  if (changed.length > 0) changed[random(changed.length)]! ^= 1 << random(8)
  return changed
}

function insert(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1)
  const morsel = Buffer.from(MORSELS[random(MORSELS.length)]!, 'hex')
  return Buffer.concat([bytes.subarray(0, at), morsel, bytes.subarray(at)])
}

function remove(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(3))])
}

/** Two messages in one: fields come again, lists go on, messages inside are merged. */
function twice(bytes: Buffer, random: Random): Buffer {
  return Buffer.concat([bytes, random(2) === 0 ? bytes : cut(bytes, random)])
}

function unknown(bytes: Buffer, random: Random): Buffer {
  const fields = ['fa3e01ab', 'f83e05', 'fd3e01020304', 'f93e0102030405060708', 'fb3efc3e']
  return Buffer.concat([bytes, Buffer.from(fields[random(fields.length)]!, 'hex')])
}

const MUTATIONS: readonly Mutation[] = [cut, flip, flip, insert, remove, twice, unknown]

/** The bytes with one to three things wrong or unusual. */
export function mutated(bytes: Buffer, random: Random): Buffer {
  let changed = bytes
  for (let i = random(3); i >= 0; i--) {
    changed = MUTATIONS[random(MUTATIONS.length)]!(changed, random)
  }
  return changed
}

import type { DescMessage } from '@bufbuild/protobuf'
import { equals } from '@bufbuild/protobuf'
import { expect } from 'chai'
import { ProtoMalformedError, common, decode, encode, gossip } from '../../src/index.ts'
import { blockFiles, fixture, frames, gossipFiles, networks } from '../support/fixtures.ts'
import { randomMessage, seeded } from '../support/random.ts'
import { allMessages } from '../support/schemas.ts'

const SEED = 3
const MESSAGES_OF_EACH_TYPE = 12
const CHANGES_OF_EACH_MESSAGE = 24

/** Decodes, or refuses with the one error there is. What decodes must encode, and then be stable. */
function check(schema: DescMessage, bytes: Uint8Array, note: string): void {
  let message
  try {
    message = decode(schema, bytes)
  } catch (error) {
    expect(error, note).to.be.instanceOf(ProtoMalformedError)
    return
  }
  const once = encode(schema, message)
  const twice = encode(schema, decode(schema, once))
  expect(twice.equals(once), `${note}: stable`).to.equal(true)
}

describe('random messages', () => {
  for (const schema of allMessages) {
    it(`${schema.typeName}: come back as they were, with 64-bit numbers of any size`, () => {
      const random = seeded(SEED)
      for (let i = 0; i < MESSAGES_OF_EACH_TYPE; i++) {
        const message = randomMessage(schema, random)
        const back = decode(schema, encode(schema, message))
        expect(equals(schema, back, message), `message ${String(i)}`).to.equal(true)
      }
    })

    it(`${schema.typeName}: cut off or with a bit changed, decode or are malformed`, () => {
      const random = seeded(SEED + 1)
      for (let i = 0; i < MESSAGES_OF_EACH_TYPE; i++) {
        const bytes = encode(schema, randomMessage(schema, random))
        for (let change = 0; change < CHANGES_OF_EACH_MESSAGE && bytes.length > 0; change++) {
          const note = `message ${String(i)}, change ${String(change)} of seed ${String(SEED + 1)}`
          check(schema, bytes.subarray(0, random(bytes.length)), note)
          const changed = Buffer.from(bytes)
          changed[random(changed.length)]! ^= 1 << random(8)
          check(schema, changed, note)
        }
      }
    })
  }
})

describe('random bytes', () => {
  it('decode or are malformed, as any message', () => {
    const random = seeded(SEED + 2)
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from({ length: random(40) }, () => random(256))
      const schema = allMessages[random(allMessages.length)]!
      check(schema, bytes, `${schema.typeName} from ${Buffer.from(bytes).toString('hex')}`)
    }
  })
})

describe('recorded bytes', () => {
  it('of gossip, cut off at every byte, decode or are malformed', () => {
    const bytes = Buffer.from(frames(gossipFiles[2]!)[4]!.hex, 'hex')
    for (let end = 0; end < bytes.length; end++) {
      check(gossip.EnvelopeSchema, bytes.subarray(0, end), `envelope of ${String(end)} bytes`)
    }
    const { payload } = decode(gossip.EnvelopeSchema, bytes)
    for (let end = 0; end < payload.length; end++) {
      check(gossip.GossipMessageSchema, payload.subarray(0, end), `message of ${String(end)} bytes`)
    }
  })

  it('of gossip, with any one bit changed, decode or are malformed', () => {
    const frame = Buffer.from(frames(gossipFiles[0]!)[0]!.hex, 'hex')
    const { payload } = decode(gossip.EnvelopeSchema, frame)
    for (let bit = 0; bit < payload.length * 8; bit++) {
      const changed = Buffer.from(payload)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      check(gossip.GossipMessageSchema, changed, `bit ${String(bit)}`)
    }
  })

  it('of blocks, with bits changed, decode or are malformed', () => {
    const random = seeded(SEED + 4)
    for (const path of networks.flatMap(blockFiles)) {
      const bytes = fixture(path)
      for (let i = 0; i < 10; i++) {
        const changed = Buffer.from(bytes)
        const at = random(changed.length)
        changed[at]! ^= 1 << random(8)
        check(common.BlockSchema, changed, `${path}, byte ${String(at)}`)
      }
    }
  })
})

import { expect } from 'chai'
import { isCodedError } from '@heddle/interface'
import { common, create, decode, encode } from '@heddle/proto'
import { verify } from 'node:crypto'
import { EnvelopeChecker, maxWriters } from '../../src/engine/envelope-checker.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import {
  channelId,
  otherS,
  testChannel,
  testClock,
  testMembers,
  transaction,
  underMsp,
} from '../support/channel.ts'
import type { VirtualClock } from '@heddle/events/testing'
import type { Policy } from '@heddle/msp'
import type { ValidatorChannel } from '../../src/node/channel-config.ts'
import type { TestMembers } from '../support/channel.ts'

const maxEnvelopeBytes = 4096

/** A serialized identity of `length` more bytes that means the same: an unknown field follows. */
function padded(creator: Uint8Array, padding: number): Uint8Array {
  const field = Buffer.alloc(6)
  field.writeUInt8(0x7d) // field 15, four bytes
  field.writeUInt32LE(padding, 1)
  return Buffer.concat([creator, field.subarray(0, 5)])
}

describe('what an EnvelopeChecker refuses', () => {
  let members: TestMembers
  let channel: ValidatorChannel
  let clock: VirtualClock
  let judged: number
  let writers: Policy | undefined

  before(async () => {
    members = await testMembers()
    channel = (await testChannel(4)).config
  })
  beforeEach(() => {
    clock = testClock()
    judged = 0
    writers = channel.rules.policy('/Channel/Writers')
  })

  function createChecker(): EnvelopeChecker {
    const rules = {
      ...channel.rules,
      policy: (path: string) => {
        judged += 1
        expect(path).to.equal('/Channel/Writers')
        return writers
      },
    }
    const options = { maxEnvelopeBytes, timeWindowMs: 900_000 }
    const { consenters } = channel
    return new EnvelopeChecker(
      { channelId, rules, consenters, reader: new TransactionReader(), clock },
      options,
    )
  }

  /** Code and message of the refusal: the same of a client and of another validator. */
  async function refusal(request: Uint8Array, checker = createChecker()): Promise<string> {
    const refusals: string[] = []
    for (const purpose of ['intake', 'proposal'] as const) {
      const error: unknown = await checker
        .check(request, purpose)
        .catch((reason: unknown) => reason)
      if (!isCodedError(error)) throw new TypeError(`not refused: ${String(error)}`)
      refusals.push(`${error.code}: ${error.message}`)
    }
    expect(refusals[1]).to.equal(refusals[0])
    return refusals[0] ?? ''
  }

  /** Resolves with the id when the request is taken, from a client and from another validator. */
  async function taken(request: Uint8Array, checker = createChecker()): Promise<string> {
    const id = await checker.check(request, 'intake')
    expect(await checker.check(request, 'proposal')).to.equal(id)
    return id
  }

  /** An envelope of exactly `length` bytes. */
  function ofLength(length: number): Uint8Array {
    const withText = (letters: number) =>
      transaction(members.client, { input: `{"id":"${'x'.repeat(letters)}"}` })
    // A signature has 70 to 72 bytes, at random.
    for (;;) {
      const probe = withText(1000)
      const request = withText(1000 + length - probe.length)
      if (request.length === length) return request
    }
  }

  it('takes what a client of the channel signed, and tells its id', async () => {
    const nonce = Buffer.alloc(24, 7)
    const request = transaction(members.client, { nonce })
    const id = new TransactionReader().read(request).txId
    expect(await taken(request)).to.equal(id)
  })

  it('takes a switch of rules from a validator alone, but proposed by another from anybody', async () => {
    await taken(transaction(members.validators[3]!, { contract: 'rules' }))
    const request = transaction(members.client, { contract: 'rules' })
    const checker = createChecker()
    const error: unknown = await checker.check(request, 'intake').catch((reason: unknown) => reason)
    expect(isCodedError(error, 'PEER_FORBIDDEN')).to.equal(true)
    expect((error as Error).message).to.match(/^only validators switch rules/)
    // A version without switches lets it pass: what it orders must be good here too.
    await checker.check(request, 'proposal')
    await taken(transaction(members.client, { contract: 'rules2' }))
  })

  it('takes an envelope of the most bytes, and refuses one with a byte more', async () => {
    await taken(ofLength(maxEnvelopeBytes))
    expect(await refusal(ofLength(maxEnvelopeBytes + 1))).to.equal(
      'PEER_INVALID_ENVELOPE: the envelope has 4097 bytes; at most 4096 are allowed',
    )
    expect(judged, 'a creator was looked at before the size').to.equal(1)
  })

  it('refuses transactions of other channels, naming no more than a part of a long name', async () => {
    const refused = async (other: string) =>
      refusal(transaction(members.client, { channelId: other }))
    expect(await refused('elsewhere')).to.equal('PEER_INVALID_ENVELOPE: no channel elsewhere here')
    expect(await refused('')).to.match(/^PEER_INVALID_ENVELOPE: no channel/)
    const long = await refused('x'.repeat(2000))
    expect(long).to.equal(`PEER_INVALID_ENVELOPE: no channel ${'x'.repeat(64)} here`)
    expect(judged).to.equal(0)
  })

  it('refuses an id that is not that of nonce and creator, also in other letters', async () => {
    const nonce = Buffer.alloc(24, 3)
    const own = new TransactionReader().read(transaction(members.client, { nonce })).txId
    for (const txId of ['', '00'.repeat(32), own.toUpperCase(), `${own} `]) {
      const request = transaction(members.client, { nonce, txId })
      expect(await refusal(request), txId).to.match(/^PEER_INVALID_ENVELOPE: .*not that of nonce/)
    }
  })

  it('refuses the id of somebody else with the same nonce', async () => {
    const nonce = Buffer.alloc(24, 4)
    const theirs = transaction(members.validators[0]!, { nonce })
    const { txId } = new TransactionReader().read(theirs)
    const request = transaction(members.client, { nonce, txId })
    expect(await refusal(request)).to.match(/^PEER_INVALID_ENVELOPE: .*not that of nonce/)
  })

  it('takes nonces of 1 to 64 bytes only', async () => {
    for (const length of [1, 64]) {
      await taken(transaction(members.client, { nonce: Buffer.alloc(length, 9) }))
    }
    for (const length of [0, 65]) {
      const request = transaction(members.client, { nonce: Buffer.alloc(length, 9) })
      expect(await refusal(request), `${length}`).to.equal('PEER_INVALID_ENVELOPE: no usable nonce')
    }
  })

  it('refuses other types of envelopes', async () => {
    for (const type of [-1, 1, 2, 3, 5, 6]) {
      const request = transaction(members.client, { type })
      expect(await refusal(request)).to.equal(`PEER_INVALID_ENVELOPE: header type ${type}`)
    }
  })

  it('refuses bytes that are no envelope', async () => {
    for (const bytes of ['', 'nonsense', '\u0000'.repeat(100)]) {
      expect(await refusal(Buffer.from(bytes))).to.match(/^PEER_INVALID_ENVELOPE: /)
    }
  })

  it('refuses another encoding of an envelope, which whoever passes it on could make', async () => {
    const usual = transaction(members.client)
    const { payload, signature } = decode(common.EnvelopeSchema, usual)
    const part = (fields: { payload?: Uint8Array; signature?: Uint8Array }): Buffer =>
      encode(common.EnvelopeSchema, create(common.EnvelopeSchema, fields))
    const others = {
      'an unknown field': padded(usual, 1),
      'another order': Buffer.concat([part({ signature }), part({ payload })]),
      'a field twice': Buffer.concat([part({ payload }), usual]),
    }
    for (const [how, request] of Object.entries(others))
      expect(await refusal(request), how).to.equal(
        'PEER_INVALID_ENVELOPE: the envelope is not encoded in the usual form',
      )
  })

  it('refuses creators that no MSP of the channel vouches for', async () => {
    const { client, clients } = members
    const stranger = await clients.variant('stranger', 'other-ca')
    const refused = {
      'unknown MSP': transaction(client, { creator: underMsp('NobodyMSP', client) }),
      'MSP of others': transaction(client, { creator: underMsp('OrderingMSP', client) }),
      'other CA': transaction(stranger),
      'no role': transaction(await clients.variant('none', 'no-ou')),
      'no identity': transaction(client, { creator: Buffer.from('garbage') }),
      'no creator': transaction(client, { creator: Buffer.alloc(0) }),
    }
    for (const [who, request] of Object.entries(refused)) {
      expect(await refusal(request), who).to.match(/^PEER_FORBIDDEN: the creator is not accepted: /)
    }
  })

  it('refuses an expired identity, and one that is not yet valid', async () => {
    const at = (minutes: number): Date => new Date(clock.wallTime() + minutes * 60_000)
    const validities = [
      { notBefore: at(-20), notAfter: at(-10) },
      { notBefore: at(10), notAfter: at(20) },
    ]
    for (const validity of validities) {
      const other = await members.clients.identity('other', 'client', validity)
      expect(await refusal(transaction(other))).to.match(
        /^PEER_FORBIDDEN: the certificate of the creator .* is valid from .* to .* only$/,
      )
    }
  })

  it('refuses members that may not write, again and again', async () => {
    const peer = await members.clients.identity('peer', 'peer')
    const checker = createChecker()
    for (let round = 0; round < 2; round += 1) {
      expect(await refusal(transaction(peer), checker)).to.match(
        /^PEER_FORBIDDEN: the creator may not write: /,
      )
    }
    expect(judged).to.equal(4)
  })

  it('refuses everybody when the channel has no writers policy', async () => {
    writers = undefined
    expect(await refusal(transaction(members.client))).to.equal(
      'PEER_FORBIDDEN: the creator may not write: no writers policy',
    )
  })

  it('refuses a signature that is not by the creator over this payload', async () => {
    const { client, validators } = members
    const checker = createChecker()
    await taken(transaction(client), checker)
    const signatures: Record<string, (payload: Uint8Array) => Uint8Array> = {
      'of somebody else': (payload) => validators[0]!.sign(payload),
      'of other bytes': () => client.sign(Buffer.from('other')),
      'with a changed byte': (payload) => {
        const changed = Buffer.from(client.sign(payload))
        changed.writeUInt8(changed.readUInt8(10) ^ 1, 10)
        return changed
      },
      'with a byte behind it': (payload) => Buffer.concat([client.sign(payload), Buffer.of(0)]),
      'of no bytes': () => Buffer.alloc(0),
    }
    for (const [what, sign] of Object.entries(signatures)) {
      expect(await refusal(transaction(client, { sign }), checker), what).to.equal(
        'PEER_FORBIDDEN: the signature is not by the creator (ClientMSP)',
      )
    }
  })

  it('refuses a signature with high S, though it verifies', async () => {
    const { client } = members
    const sign = (payload: Uint8Array): Uint8Array => {
      const high = otherS(client.sign(payload))
      expect(verify('sha256', payload, client.certificate.publicKey, high)).to.equal(true)
      return high
    }
    expect(await refusal(transaction(client, { sign }))).to.equal(
      'PEER_FORBIDDEN: the signature is not by the creator (ClientMSP)',
    )
  })

  describe('remembering creators', () => {
    it('judges a creator once, and every signature of it', async () => {
      const checker = createChecker()
      for (let round = 0; round < 3; round += 1) await taken(transaction(members.client), checker)
      expect(judged).to.equal(1)
      const forged = transaction(members.client, { sign: () => Buffer.alloc(70, 1) })
      expect(await refusal(forged, checker)).to.match(/^PEER_FORBIDDEN: the signature/)
    })

    it('takes nothing of a creator that it knows once its certificate has ended', async () => {
      const notAfter = new Date(clock.wallTime() + 60_000)
      const brief = await members.clients.identity('brief', 'client', { notAfter })
      const checker = createChecker()
      await checker.check(transaction(brief), 'intake')
      await clock.advance(60_000)
      await checker.check(transaction(brief), 'intake')
      await clock.advance(1)
      const late = checker.check(transaction(brief), 'intake')
      const error: unknown = await late.catch((reason: unknown) => reason)
      expect(isCodedError(error, 'PEER_FORBIDDEN'), String(error)).to.equal(true)
      expect(judged).to.equal(1)
    })

    it(`remembers ${maxWriters} creators, and judges anew beyond`, async function () {
      this.timeout(60_000)
      const { client } = members
      const checker = createChecker()
      const check = (number: number): Promise<string> => {
        const creator = padded(client.serialized, number)
        return checker.check(transaction(client, { creator }), 'proposal')
      }
      for (let number = 0; number < maxWriters; number += 1) await check(number)
      expect(judged).to.equal(maxWriters)
      await check(0)
      expect(judged, 'the first is remembered').to.equal(maxWriters)
      await check(maxWriters)
      await check(0)
      expect(judged, 'the first was forgotten').to.equal(maxWriters + 2)
      await check(maxWriters)
      expect(judged, 'the last is remembered').to.equal(maxWriters + 2)
    })
  })
})

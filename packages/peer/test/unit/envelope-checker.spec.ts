import { expect } from 'chai'
import type { ChannelRules } from '@heddle/channel'
import { signTransaction } from '@heddle/client'
import { MspManager } from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import { create, encode, msp } from '@heddle/proto'
import { EnvelopeChecker } from '../../src/engine/envelope-checker.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import type { Clock } from '@heddle/interface'
import type { SigningIdentity } from '@heddle/msp'
import type { CheckPurpose } from '@heddle/pbft'
import type { TestOrganization } from '@heddle/msp/testing'

const minute = 60_000
const noon = Date.UTC(2026, 5, 1, 12)
const validity = { notBefore: new Date(noon), notAfter: new Date(noon + 60 * minute) }

/** A clock that stands at `minutes` after noon. */
function clockAt(minutes: number): Clock {
  const wallTime = (): number => noon + minutes * minute
  return { now: wallTime, wallTime, schedule: () => ({ cancel: () => undefined }) }
}

describe('EnvelopeChecker', () => {
  let organization: TestOrganization
  let creator: SigningIdentity
  let rules: ChannelRules

  before(async () => {
    organization = await createTestOrganization({ mspId: 'Org0MSP' })
    creator = await organization.identity('client', 'client', validity)
    const policy = { refusal: () => undefined, evaluate: () => undefined }
    rules = {
      msps: new MspManager([organization.msp]),
      policy: () => policy,
      evaluate: () => undefined,
    }
  })

  /** What a validator whose clock shows `at` says about a transaction of time `signedAt`; both minutes after noon. */
  async function verdict(signedAt: number, at: number, purpose: CheckPurpose): Promise<string> {
    const call = { channelId: 'c', contract: 'records', input: Buffer.from('{}') }
    const signing = clockAt(Number.isNaN(signedAt) ? at : signedAt)
    // A client that does not look at its own certificate first.
    const signer = {
      serialized: creator.serialized,
      sign: (data: Uint8Array) => creator.sign(data),
    }
    const { bytes } = await signTransaction(signer, signing, call)
    const reader = new TransactionReader()
    // A timestamp out of the range of dates reads as none.
    if (Number.isNaN(signedAt)) reader.read(bytes).signedAt.setTime(Number.NaN)
    const checker = new EnvelopeChecker(
      { channelId: 'c', rules, consenters: [], reader, clock: clockAt(at) },
      { maxEnvelopeBytes: 10_000, timeWindowMs: 15 * minute },
    )
    return checker.check(bytes, purpose).then(
      () => 'good',
      (error: unknown) => (error as { code: string }).code,
    )
  }

  it('calls all that one certificate signs of one client, however it is encoded', async () => {
    const other = await organization.identity('other', 'client', validity)
    const { mspId, idBytes } = creator
    const again = msp.SerializedIdentitySchema
    const encoded = encode(
      again,
      create(again, { mspid: mspId, idBytes: Buffer.concat([idBytes, Buffer.from('\n')]) }),
    )
    const reader = new TransactionReader()
    const clock = clockAt(1)
    const checker = new EnvelopeChecker(
      { channelId: 'c', rules, consenters: [], reader, clock },
      { maxEnvelopeBytes: 10_000, timeWindowMs: 15 * minute },
    )
    const clientOf = async (serialized: Uint8Array, signer: SigningIdentity): Promise<string> => {
      const call = { channelId: 'c', contract: 'records', input: Buffer.from('{}') }
      const signing = { serialized, sign: (data: Uint8Array) => signer.sign(data) }
      const { bytes } = await signTransaction(signing, clock, call)
      await checker.check(bytes, 'intake')
      return checker.clientOf(bytes)
    }
    const first = await clientOf(creator.serialized, creator)
    expect(await clientOf(encoded, creator)).to.equal(first)
    expect(await clientOf(other.serialized, other)).not.to.equal(first)
    expect(checker.clientOf(Buffer.from('none')), 'malformed').to.equal('')
  })

  it('names no client for a creator of whom nothing was checked', async () => {
    const reader = new TransactionReader()
    const clock = clockAt(1)
    const checker = new EnvelopeChecker(
      { channelId: 'c', rules, consenters: [], reader, clock },
      { maxEnvelopeBytes: 10_000, timeWindowMs: 15 * minute },
    )
    const call = { channelId: 'c', contract: 'records', input: Buffer.from('{}') }
    const { bytes } = await signTransaction(creator, clock, call)
    expect(checker.clientOf(bytes)).to.equal('')
    await checker.check(bytes, 'proposal')
    expect(checker.clientOf(bytes)).not.to.equal('')
  })

  it('takes from a client what was signed within the window, to its very edges', async () => {
    for (const at of [15, 30, 45]) expect(await verdict(30, at, 'intake')).to.equal('good')
    for (const at of [14.99, 45.01])
      expect(await verdict(30, at, 'intake')).to.equal('PEER_INVALID_ENVELOPE')
  })

  it('judges a proposed transaction alike whatever the clock shows', async () => {
    for (const at of [-10_000, 14, 30, 46, 10_000]) {
      expect(await verdict(30, at, 'proposal'), `at ${at}`).to.equal('good')
      expect(await verdict(61, at, 'proposal'), `at ${at}`).to.equal('PEER_FORBIDDEN')
      expect(await verdict(-1, at, 'proposal'), `at ${at}`).to.equal('PEER_FORBIDDEN')
    }
  })

  it('takes nothing from a client that others could refuse to order', async () => {
    for (let signedAt = -20; signedAt <= 80; signedAt += 5)
      for (const at of [signedAt - 15, signedAt, signedAt + 15])
        if ((await verdict(signedAt, at, 'intake')) === 'good')
          expect(await verdict(signedAt, at, 'proposal')).to.equal('good')
  })

  it('takes nothing from a client whose certificate is not valid now', async () => {
    expect(await verdict(55, 60, 'intake')).to.equal('good')
    expect(await verdict(55, 60.01, 'intake')).to.equal('PEER_FORBIDDEN')
    expect(await verdict(1, -1, 'intake')).to.equal('PEER_FORBIDDEN')
  })

  it('refuses a time that is none, also in a proposal', async () => {
    for (const purpose of ['intake', 'proposal'] as const)
      expect(await verdict(Number.NaN, 0, purpose)).to.equal('PEER_FORBIDDEN')
  })
})

import { expect } from 'chai'
import { create, encode, heddle } from '@heddle/proto'
import { offerBlocks, OfferVerifier } from '../../src/switch/offer.ts'
import { encodeSwitch, judgeSwitch, maxSwitchBytes } from '../../src/switch/switch.ts'
import { otherS, testChannel } from '../support/channel.ts'
import { offerOf, offersOf } from '../support/offers.ts'
import { numbersOf } from '../support/rules-network.ts'
import type { OfferInit } from '../support/offers.ts'

const place = { rules: 1, since: 0n, block: 1n }

type Offers = readonly heddle.SignedRulesOffer[]

/** The offers with another one of a validator. */
function replaced(offers: Offers, replica: number, offer: heddle.SignedRulesOffer): Offers {
  return offers.map((each, index) => (index === replica ? offer : each))
}

describe('a switch of rules', () => {
  let verifier: OfferVerifier
  before(async () => {
    verifier = new OfferVerifier((await testChannel(4)).config)
  })

  const judge = (offers: Offers, at: Partial<typeof place> = {}): unknown =>
    judgeSwitch(encodeSwitch(offers), { ...place, ...at }, verifier)

  /** Four offers, that of validator 3 changed. */
  const but = async (init: OfferInit): Promise<heddle.SignedRulesOffer[]> => [
    ...(await offersOf(3)),
    await offerOf(3, init),
  ]

  it('brings the rules that all validators offer, newer or older', async () => {
    expect(judge(await offersOf(4))).to.equal(2)
    expect(judge(await offersOf(4, { rules: 1 }), { rules: 2 })).to.equal(1)
    expect(judge(await offersOf(4, { rules: 4_000_000_000 }))).to.equal(4_000_000_000)
  })

  it('needs one offer of each validator, in order', async () => {
    const offers = await offersOf(4)
    for (const order of [[], [0, 1, 2], [0, 1, 2, 3, 3], [0, 1, 2, 2], [1, 0, 2, 3]])
      expect(judge(order.map((replica) => offers[replica]!))).to.equal('malformed')
    expect(judge(await but({ as: 2 }))).to.equal('malformed')
    expect(judge(await but({ channelId: 'other' }))).to.equal('malformed')
  })

  it('needs offers of one number, which is not the one in force', async () => {
    expect(judge(await but({ rules: 3 }))).to.equal('nothingToSwitch')
    expect(judge(await offersOf(4), { rules: 2 })).to.equal('nothingToSwitch')
    expect(judge(await offersOf(4, { rules: 0 }))).to.equal('malformed')
  })

  it('is good from the block of its offers on, and for 1,000 blocks', async () => {
    const offers = await offersOf(4, { block: 50n })
    expect(judge(offers, { block: 49n })).to.equal('notGoodHere')
    expect(judge(offers, { block: 50n })).to.equal(2)
    expect(judge(offers, { block: 49n + offerBlocks })).to.equal(2)
    expect(judge(offers, { block: 50n + offerBlocks })).to.equal('notGoodHere')
    expect(judge(await but({ block: 2n ** 64n - 1n }))).to.equal('notGoodHere')
  })

  it('needs offers made under the rules in force: used ones bring nothing back', async () => {
    const offers = await offersOf(4, { block: 50n })
    expect(judge(offers, { since: 50n, block: 60n })).to.equal(2)
    expect(judge(offers, { since: 51n, block: 60n })).to.equal('notGoodHere')
  })

  it('needs the signature of each validator under its own offer', async () => {
    const offers = await offersOf(4)
    for (const [replica, { offer, signature }] of offers.entries()) {
      const others = offers[(replica + 1) % 4]!.signature
      for (const wrong of [others, otherS(signature), Buffer.alloc(0)]) {
        const forged = create(heddle.SignedRulesOfferSchema, { offer, signature: wrong })
        expect(judge(replaced(offers, replica, forged)), `of validator ${replica}`).to.equal(
          'notSigned',
        )
      }
    }
    // A liar that offers one thing here and another there has signed both: the others decide.
    expect(judge([...offers.slice(0, 3), await offerOf(3)])).to.equal(2)
  })

  it('is read no further than it can be long', async () => {
    const offers = await offersOf(4)
    const { offer } = offers[0]!
    const longest = create(heddle.SignedRulesOfferSchema, { offer })
    const room = maxSwitchBytes(4) - encodeSwitch(replaced(offers, 0, longest)).length
    const ofLength = (bytes: number): Uint8Array =>
      encodeSwitch(
        replaced(
          offers,
          0,
          create(heddle.SignedRulesOfferSchema, { offer, signature: Buffer.alloc(bytes) }),
        ),
      )
    // Two bytes for the longer length of the offer, three for the signature's field and length.
    const atBound = ofLength(room - 4)
    expect(atBound.length).to.equal(maxSwitchBytes(4))
    expect(judgeSwitch(atBound, place, verifier)).to.equal('notSigned')
    expect(judgeSwitch(ofLength(room - 3), place, verifier)).to.equal('malformed')
  })

  it('has one form: no byte of it can be changed, left out or added', async () => {
    const offers = await offersOf(4)
    const input = encodeSwitch(offers)
    const unknown = Buffer.from('a20600', 'hex')
    const inside = encode(
      heddle.RulesSwitchSchema,
      create(heddle.RulesSwitchSchema, { offers: offers.slice(0, 3) }),
    )
    const fourth = Buffer.concat([encode(heddle.SignedRulesOfferSchema, offers[3]!), unknown])
    const odd = Buffer.concat([
      inside,
      Buffer.of(0x0a, 0x80 | (fourth.length & 0x7f), fourth.length >> 7),
      fourth,
    ])
    for (const bytes of [Buffer.concat([input, unknown]), odd])
      expect(judgeSwitch(bytes, place, verifier)).to.equal('malformed')
    const next = numbersOf(8)
    for (let round = 0; round < 500; round++) {
      const at = Math.floor(next() * input.length)
      const kind = Math.floor(next() * 3)
      const byte = Math.floor(next() * 256)
      const changed =
        kind === 0
          ? Buffer.concat([input.subarray(0, at), Buffer.of(byte), input.subarray(at)])
          : kind === 1
            ? Buffer.concat([input.subarray(0, at), input.subarray(at + 1)])
            : Buffer.concat([input.subarray(0, at), Buffer.of(byte), input.subarray(at + 1)])
      if (Buffer.compare(changed, input) === 0) continue
      const what = `round ${round}: ${changed.toString('hex')}`
      expect(judgeSwitch(changed, place, verifier), what).to.be.a('string')
    }
  })
})

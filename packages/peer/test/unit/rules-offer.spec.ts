import { expect } from 'chai'
import { create, encode, heddle } from '@heddle/proto'
import { OfferBook, offerBlocksLeft, offerLifeMs } from '../../src/switch/offer-book.ts'
import { OfferVerifier, maxOfferBytes, signOffer } from '../../src/switch/offer.ts'
import { SwitchTurns } from '../../src/switch/switch-turns.ts'
import { channelId, otherS, testChannel, testMembers } from '../support/channel.ts'
import { offerOf } from '../support/offers.ts'
import type { HeldOffer } from '../../src/switch/offer-book.ts'

const terms = { rules: 2, replica: 0, block: 7n }
const longestChannel = 'c'.repeat(249)

describe('an offer of rules', () => {
  let verifier: OfferVerifier
  let signed: heddle.SignedRulesOffer

  before(async () => {
    const { validators } = await testMembers()
    verifier = new OfferVerifier((await testChannel(4)).config)
    signed = signOffer(validators[0]!, channelId, terms)
  })

  const withOffer = (offer: Uint8Array): heddle.SignedRulesOffer =>
    create(heddle.SignedRulesOfferSchema, { ...signed, offer })
  const withSignature = (signature: Uint8Array): heddle.SignedRulesOffer =>
    create(heddle.SignedRulesOfferSchema, { ...signed, signature })

  it('says what was signed, and is by its validator and by no other', () => {
    expect(verifier.read(signed)).to.include(terms)
    const by = [0, 1, 2, 3, 4].map((replica) => verifier.isBy(replica, signed))
    expect(by).to.deep.equal([true, false, false, false, false])
  })

  it('has one encoding: anything else says nothing', () => {
    const { offer } = signed
    const unknownField = Buffer.concat([offer, Buffer.from('a20600', 'hex')])
    const longNumber = Buffer.concat([offer.subarray(0, -1), Buffer.from('8700', 'hex')])
    const twice = Buffer.concat([offer, offer])
    const cut = offer.subarray(0, -1)
    for (const bytes of [unknownField, longNumber, twice, cut, Buffer.alloc(0), Buffer.of(255)])
      expect(verifier.read(withOffer(bytes)), Buffer.from(bytes).toString('hex')).to.equal(
        undefined,
      )
  })

  it('is for one channel', async () => {
    expect(verifier.read(await offerOf(0, { channelId: `${channelId}x` }))).to.equal(undefined)
  })

  it('has one signature: the low one, in DER, over what it says and what it is', async () => {
    const { validators } = await testMembers()
    const { signature, offer } = signed
    const high = otherS(signature)
    const longR = Buffer.concat([
      Buffer.from('303f021f7f', 'hex'),
      Buffer.alloc(30, 1),
      Buffer.from('021c01', 'hex'),
      Buffer.alloc(27, 1),
    ])
    const hugeR = Buffer.concat([
      Buffer.from('302b022601', 'hex'),
      Buffer.alloc(37, 1),
      Buffer.from('020101', 'hex'),
    ])
    const zero = Buffer.from('3006020100020100', 'hex')
    const trailing = Buffer.concat([signature, Buffer.of(0)])
    const bare = validators[0]!.sign(offer)
    for (const other of [
      high,
      longR,
      hugeR,
      zero,
      trailing,
      bare,
      Buffer.alloc(0),
      signature.subarray(1),
    ])
      expect(verifier.isBy(0, withSignature(other)), Buffer.from(other).toString('hex')).to.equal(
        false,
      )
  })

  it('fits its bound, with the longest name of a channel', async () => {
    const { validators } = await testMembers()
    const most = { rules: 2 ** 32 - 1, replica: 30, block: 2n ** 64n - 1n }
    const bytes = encode(
      heddle.SignedRulesOfferSchema,
      signOffer(validators[0]!, longestChannel, most),
    )
    expect(bytes.length).to.be.lessThan(maxOfferBytes)
  })
})

describe('OfferBook', () => {
  const held = (replica: number, init: Partial<HeldOffer> = {}): HeldOffer => ({
    ...{ replica, rules: 2, block: 10n, heardAt: 0 },
    signed: create(heddle.SignedRulesOfferSchema, { signature: Buffer.of(replica) }),
    ...init,
  })
  const at = { block: 10n, since: 10n, now: 0 }
  const bookOf = (...offers: readonly HeldOffer[]): OfferBook => {
    const book = new OfferBook(4)
    for (const offer of offers) book.put(offer)
    return book
  }

  it('says who does not offer the rules, and gives one offer of each when all do', () => {
    const book = bookOf(held(2), held(0), held(3, { rules: 1 }))
    expect(book.missing(2, at)).to.deep.equal([1, 3])
    expect(book.complete(2, at)).to.equal(undefined)
    book.put(held(1))
    book.put(held(3))
    expect(book.missing(2, at)).to.deep.equal([])
    expect(book.complete(2, at)?.map(({ signature }) => signature[0])).to.deep.equal([0, 1, 2, 3])
    expect(book.missing(1, at)).to.deep.equal([0, 1, 2, 3])
  })

  it('keeps the last offer of each alone, and none of strangers', () => {
    const book = bookOf(held(0), held(0, { rules: 1 }), held(4))
    expect(book.missing(1, at)).to.deep.equal([1, 2, 3])
    expect(book.missing(2, at)).to.deep.equal([0, 1, 2, 3])
  })

  it('counts no offer that is used up, not repeated, too old or for much later', () => {
    const all = [0, 1, 2, 3].map((replica) => held(replica))
    const far = offerBlocksLeft
    const isMissing = (moment: typeof at): boolean => bookOf(...all).missing(2, moment).length > 0
    expect(isMissing({ ...at, since: 11n }), 'from before the rules in force').to.equal(true)
    expect(isMissing({ ...at, now: offerLifeMs }), 'repeated just in time').to.equal(false)
    expect(isMissing({ ...at, now: offerLifeMs + 1 }), 'not repeated').to.equal(true)
    expect(isMissing({ ...at, block: 10n + far }), 'with blocks left').to.equal(false)
    expect(isMissing({ ...at, block: 11n + far }), 'almost used up').to.equal(true)
    const late = (block: bigint): boolean =>
      bookOf(...all, held(1, { block })).missing(2, at).length > 0
    expect(late(10n + far), 'of one a little ahead').to.equal(false)
    expect(late(11n + far), 'for much later').to.equal(true)
  })
})

describe('SwitchTurns', () => {
  /** Who begins a turn at each of `looks`. */
  const beginners = (looks: number, primary: number): number[][] => {
    const turns = [0, 1, 2, 3].map((self) => new SwitchTurns(self, 4))
    return Array.from({ length: looks }, () =>
      turns.flatMap((each, self) => (each.next(true, primary) ? [self] : [])),
    )
  }

  it('lets the primary begin, then one after the other, each turn twice as long', () => {
    const begun = beginners(200, 2).flatMap((who, look) => who.map((self) => [look, self]))
    expect(begun).to.deep.equal([
      [0, 2],
      [5, 3],
      [15, 0],
      [35, 1],
      [75, 2],
      [135, 3],
      [195, 0],
    ])
  })

  it('counts anew when a switch was not due meanwhile', () => {
    const turns = new SwitchTurns(2, 4)
    expect([turns.next(true, 2), turns.next(true, 2), turns.next(false, 2)]).to.deep.equal([
      true,
      false,
      false,
    ])
    expect(turns.next(true, 2)).to.equal(true)
  })
})

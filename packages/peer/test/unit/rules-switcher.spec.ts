import { expect } from 'chai'
import { encode, heddle } from '@heddle/proto'
import { offerLifeMs } from '../../src/switch/offer-book.ts'
import { maxOfferBytes } from '../../src/switch/offer.ts'
import { offerIntervalMs } from '../../src/switch/switcher.ts'
import { offerOf } from '../support/offers.ts'
import { RulesNetwork, numbersOf } from '../support/rules-network.ts'
import type { OfferInit } from '../support/offers.ts'
import type { RulesNetworkInit } from '../support/rules-network.ts'

const second = 1000

async function encoded(replica: number, init?: OfferInit): Promise<Uint8Array> {
  return encode(heddle.SignedRulesOfferSchema, await offerOf(replica, init))
}

describe('RulesSwitcher', () => {
  let network: RulesNetwork
  afterEach(() => network.stopAll())

  const make = async (init?: RulesNetworkInit): Promise<void> => {
    network = await RulesNetwork.make(init)
  }
  const missing = (replica: number): number[] => network.switcher(replica).status().missing

  it('switches once when all offer the same, by the primary, and back', async () => {
    await make()
    network.primary = 2
    await network.startAll(2)
    await network.clock.advance(3 * second)
    expect(network.ordered).to.deep.equal([{ by: 2, block: 1n, verdict: 2 }])
    expect(network.switcher(0).status()).to.include({ inForce: 2, since: 2n, offered: 2 })
    await network.clock.advance(60 * second)
    expect(network.ordered, 'nothing more').to.have.length(1)

    for (const replica of [0, 1, 2]) await network.start(replica, 1)
    await network.clock.advance(60 * second)
    expect(network.ordered, 'while one offers what is in force').to.have.length(1)
    expect(missing(0)).to.deep.equal([3])
    await network.start(3, 1)
    await network.clock.advance(3 * second)
    expect(network.ordered.slice(1)).to.deep.equal([{ by: 2, block: 2n, verdict: 1 }])
    expect(network.switcher(3).status()).to.include({ inForce: 1, since: 3n, offered: 1 })
  })

  it('says whom it waits for, and logs it when that changes', async () => {
    await make()
    for (const replica of [0, 1, 3]) await network.start(replica, 2)
    await network.clock.advance(10 * second)
    expect([missing(0), missing(1), missing(3)]).to.deep.equal([[2], [2], [2]])
    const told = network.loggers[0]!.lines.map(({ fields }) => fields['waitsFor'])
    expect(told.at(-1)).to.equal('validator2')
    expect(told.length, 'as each of them is heard').to.be.lessThan(5)
    await network.clock.advance(60 * second)
    expect(network.loggers[0]!.lines).to.have.length(told.length)
    expect(network.ordered).to.deep.equal([])
  })

  it('forgets who falls silent, as one that thought better of it does', async () => {
    await make()
    for (const replica of [0, 1, 2]) await network.start(replica, 2)
    await network.clock.advance(2 * second)
    await network.start(2, 1)
    await network.clock.advance(offerLifeMs + second)
    expect(missing(0)).to.deep.equal([2, 3])
    await network.start(3, 2)
    await network.clock.advance(60 * second)
    expect(network.ordered).to.deep.equal([])
  })

  it('passes the turn on when the primary does not have it ordered, ever more slowly', async () => {
    await make()
    network.orders = (by) => by === 2
    await network.startAll(2)
    await network.clock.advance(14 * second)
    expect(network.place.rules).to.equal(1)
    await network.clock.advance(4 * second)
    expect(network.ordered).to.deep.equal([{ by: 2, block: 1n, verdict: 2 }])
    expect(network.inputs, 'one of each turn').to.have.length(3)
  })

  it('waits while views change, and lets the next primary begin', async () => {
    await make()
    network.activeView = false
    await network.startAll(2)
    await network.clock.advance(3 * second)
    expect(network.inputs).to.deep.equal([])
    network.primary = 1
    network.activeView = true
    await network.clock.advance(20 * second)
    expect(network.place.rules).to.equal(2)
    expect(network.ordered).to.have.length(1)
  })

  it('begins anew when an ordered switch comes too late or does not come at all', async () => {
    await make({ blocksPerSecond: 5 })
    let lost = 0
    network.orders = () => ++lost > 2
    await network.startAll(2)
    await network.clock.advance(60 * second)
    expect(network.ordered.map(({ verdict }) => verdict)).to.deep.equal([2])
  })

  it('makes one of two switches that are both ordered, as after a change of views', async () => {
    await make()
    let first: (() => void) | undefined
    // The first is held up by the view change, and ordered when the next one has been.
    network.held = (by) =>
      by === 0 ? new Promise<void>((resolve) => (first = resolve)) : undefined
    await network.startAll(2)
    await network.clock.advance(4 * second)
    network.primary = 1
    network.held = () => undefined
    await network.clock.advance(10 * second)
    expect(network.place.rules).to.equal(2)
    first?.()
    await network.clock.advance(second)
    expect(network.ordered.map(({ verdict }) => verdict)).to.deep.equal([2, 'nothingToSwitch'])
    expect(network.switcher(0).status()).to.include({ inForce: 2, since: 2n })
  })

  it('puts an old switch to no use: neither the same bytes nor its offers bring it back', async () => {
    await make({ blocksPerSecond: 2 })
    await network.startAll(2)
    await network.clock.advance(5 * second)
    const [input] = network.inputs
    await network.startAll(1)
    await network.clock.advance(5 * second)
    expect(network.place.rules).to.equal(1)
    const again = network.submit(3, input!)
    await network.clock.advance(second)
    await again
    expect(network.ordered.map(({ verdict }) => verdict)).to.deep.equal([2, 1, 'notGoodHere'])
    expect(network.place.rules).to.equal(1)
  })

  describe('refuses what another validator sends it', () => {
    const reason = (from: number, bytes: Uint8Array): unknown => {
      try {
        network.switcher(0).receive(from, bytes)
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    }

    beforeEach(async () => {
      await make()
      await network.start(0, 2)
    })

    it('when it is none of its own, or signed by somebody else', async () => {
      expect(reason(1, await encoded(2))).to.equal('rules: no offer of its own')
      expect(reason(2, await encoded(1, { as: 2 }))).to.equal(
        'rules: an offer that it did not sign',
      )
      expect(reason(3, await encoded(3, { channelId: 'other' }))).to.match(/no offer of its own/)
      expect(missing(0)).to.deep.equal([1, 2, 3])
    })

    it('when it is garbage, or longer than an offer can be', () => {
      expect(reason(1, Buffer.from('ff', 'hex'))).to.be.a('string')
      expect(reason(2, Buffer.alloc(maxOfferBytes + 1))).to.equal('rules: an offer of 513 bytes')
      expect(reason(3, Buffer.alloc(0))).to.match(/no offer of its own/)
    })

    it('when it comes more often than offers are repeated', async () => {
      const offer = await encoded(1)
      expect(reason(1, offer)).to.equal(undefined)
      await network.clock.advance(offerIntervalMs / 2 - 1)
      expect(reason(1, offer)).to.equal('rules: offers too often')
      expect(reason(2, await encoded(2)), 'of others').to.equal(undefined)
      await network.clock.advance(1)
      expect(reason(1, offer)).to.equal(undefined)
    })
  })

  it('leaves nothing behind when it stops, and stops what it waits for', async () => {
    await make()
    network.orders = () => false
    await network.startAll(2)
    await network.clock.advance(3 * second)
    await network.stopAll()
    await network.clock.advance(second)
    expect(network.clock.pending).to.equal(0)
  })
})

describe('switching rules with losses and a liar', () => {
  /** What a liar sends instead of its offer, of which it has seen those of the others before. */
  const kinds = {
    garbage: (random: () => number) =>
      Buffer.from(Array.from({ length: 40 }, () => Math.floor(256 * random()))),
    silence: () => undefined,
    'the offers of others': (_random: unknown, seen: readonly Uint8Array[]) => seen.at(-1),
  }

  for (const [kind, lie] of Object.entries(kinds)) {
    it(`never switches without the liar's own offer: ${kind}`, async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const random = numbersOf(seed)
        const liar = seed % 4
        const seen: Uint8Array[] = []
        const network = await RulesNetwork.make({
          seed,
          loss: 0.3 * random(),
          blocksPerSecond: 1 + 20 * random(),
          change: (from, _to, offer) => {
            if (from === liar) return lie(random, seen)
            seen.push(offer)
            return offer
          },
        })
        const honest = [0, 1, 2, 3].filter((replica) => replica !== liar)
        await network.startAll(2)
        // Its own offer, which it withholds, would be good.
        network.orders = (by) => by !== liar
        await network.clock.advance(60_000)
        expect(network.ordered, `seed ${seed}`).to.deep.equal([])
        for (const replica of honest)
          expect(network.switcher(replica).status().missing, `seed ${seed}`).to.include(liar)
        await network.stopAll()
      }
    })
  }

  it('does as the others wish when a liar offers it to one of them alone', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = numbersOf(seed)
      const liar = seed % 4
      const others = [0, 1, 2, 3].filter((replica) => replica !== liar)
      const lies = await Promise.all([1, 2, 3].map((rules) => encoded(liar, { rules })))
      const network = await RulesNetwork.make({
        seed,
        loss: 0.3 * random(),
        change: (from, to, offer) =>
          from === liar ? lies[(others.indexOf(to) + seed) % 3] : offer,
      })
      await network.startAll(2)
      network.orders = (by) => by !== liar
      await network.clock.advance(120_000)
      const brought = network.ordered.filter(({ verdict }) => typeof verdict === 'number')
      expect(
        brought.map(({ verdict }) => verdict),
        `seed ${seed}`,
      ).to.deep.equal([2])
      expect(network.ordered.length, `seed ${seed}: switches ordered`).to.be.lessThan(4)
      await network.stopAll()
    }
  })

  it('switches in a minute though three of ten offers are lost, with few switches ordered', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = numbersOf(seed)
      const network = await RulesNetwork.make({
        seed,
        loss: 0.3,
        blocksPerSecond: 50 * random() + 1,
      })
      for (const replica of [0, 1, 2, 3]) {
        await network.start(replica, 2)
        await network.clock.advance(1000 * random())
      }
      await network.clock.advance(60_000)
      expect(network.place.rules, `seed ${seed}`).to.equal(2)
      expect(network.ordered.length, `seed ${seed}`).to.be.lessThan(3)
      await network.stopAll()
    }
  })
})

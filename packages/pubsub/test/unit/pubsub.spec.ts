import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Metrics } from '@heddle/interface'
import { VirtualClock } from '@heddle/events/testing'
import {
  PubSub,
  type OverflowPolicy,
  type PubSubOptions,
  type Subscription,
} from '../../src/index.ts'
import { broker, codeOf } from './support.ts'

describe('PubSub', () => {
  // The catalogue of fabric v3.1.5 gossip/util/pubsub_test.go.
  describe('as in Fabric', () => {
    it('hands a published item to a subscriber that listens before or after', async () => {
      const { pubsub } = broker()
      const subscription = pubsub.subscribe('test', 1000)
      const listening = subscription.listen()
      pubsub.publish('test', 'first')
      pubsub.publish('test', 'second')
      expect([await listening, await subscription.listen()]).to.deep.equal(['first', 'second'])
    })

    it('tells the publisher that nobody subscribes to the topic', async () => {
      const { pubsub } = broker()
      pubsub.subscribe('test', 1000)
      expect(await codeOf(() => pubsub.publish('test2', 5))).to.equal('PUBSUB_NO_SUBSCRIBERS')
      expect(await codeOf(() => pubsub.publish('tes', 5))).to.equal('PUBSUB_NO_SUBSCRIBERS')
    })

    it('times out for a listener whose item is published too late', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('test', 10)
      const outcome = codeOf(() => subscription.listen())
      await clock.advance(10)
      expect(await outcome).to.equal('PUBSUB_TIMED_OUT')
      expect(await codeOf(() => pubsub.publish('test', 'late'))).to.equal('PUBSUB_NO_SUBSCRIBERS')
    })

    it('gives 100 subscribers 50 of 51 items each, in order, and drops the last', async () => {
      const { clock, pubsub } = broker()
      const subscriptions = Array.from({ length: 100 }, () => pubsub.subscribe('test', 1000))
      for (let i = 0; i <= 50; i += 1) pubsub.publish('test', i)
      for (const [index, subscription] of subscriptions.entries()) {
        for (let i = 0; i < 50; i += 1) {
          expect(await subscription.listen(), `subscriber ${index}`).to.equal(i)
        }
        expect([subscription.size, subscription.dropped], `subscriber ${index}`).to.deep.equal([
          0, 1,
        ])
      }
      await clock.advance(1000)
      expect([pubsub.topicCount, pubsub.subscriptionCount]).to.deep.equal([0, 0])
      expect(await codeOf(() => subscriptions[0]!.listen())).to.equal('PUBSUB_TIMED_OUT')
    })
  })

  describe('topics', () => {
    it('keep to themselves, and go with their last subscriber', async () => {
      const { clock, pubsub } = broker()
      const a = pubsub.subscribe('a', 10)
      const b = pubsub.subscribe('b', 20)
      pubsub.publish('a', 1)
      pubsub.publish('b', 2)
      expect([await a.listen(), await b.listen(), pubsub.topicCount]).to.deep.equal([1, 2, 2])
      await clock.advance(10)
      expect(pubsub.topicCount).to.equal(1)
      b.cancel()
      expect(pubsub.topicCount).to.equal(0)
    })

    it('may have any name, also that of an object member', async () => {
      const { pubsub } = broker()
      for (const topic of ['', '__proto__', 'constructor', 'a.*']) {
        const subscription = pubsub.subscribe(topic, 10)
        pubsub.publish(topic, topic)
        expect(await subscription.listen(), topic).to.equal(topic)
        subscription.cancel()
      }
      expect(pubsub.topicCount).to.equal(0)
    })

    it('give every subscriber the same item, undefined and null included', async () => {
      const { pubsub } = broker()
      const [a, b] = [pubsub.subscribe('t', 10), pubsub.subscribe('t', 10)]
      const item = { is: 'shared' }
      for (const each of [item, undefined, null]) {
        pubsub.publish('t', each)
        expect(await a.listen()).to.equal(each)
        expect(await b.listen()).to.equal(each)
      }
    })
  })

  describe('a full buffer', () => {
    it('keeps the oldest items by default', async () => {
      const { pubsub } = broker({ bufferSize: 2 })
      const subscription = pubsub.subscribe('t', 10)
      for (const item of [1, 2, 3, 4]) pubsub.publish('t', item)
      expect([subscription.size, subscription.dropped]).to.deep.equal([2, 2])
      expect([await subscription.listen(), await subscription.listen()]).to.deep.equal([1, 2])
      pubsub.publish('t', 5)
      expect(await subscription.listen()).to.equal(5)
    })

    it('keeps the newest items when it is told to', async () => {
      const { pubsub } = broker({ bufferSize: 2, overflow: 'drop-oldest' })
      const subscription = pubsub.subscribe('t', 10)
      for (const item of [1, 2, 3, 4]) pubsub.publish('t', item)
      expect([subscription.size, subscription.dropped]).to.deep.equal([2, 2])
      expect([await subscription.listen(), await subscription.listen()]).to.deep.equal([3, 4])
    })

    it('of one subscriber costs the others nothing', async () => {
      const { pubsub } = broker({ bufferSize: 1 })
      const slow = pubsub.subscribe('t', 10)
      const quick = pubsub.subscribe('t', 10)
      for (const item of [1, 2, 3]) {
        pubsub.publish('t', item)
        expect(await quick.listen()).to.equal(item)
      }
      expect([slow.dropped, quick.dropped]).to.deep.equal([2, 0])
    })

    it('is not needed for an item for which somebody waits', async () => {
      const { pubsub } = broker({ bufferSize: 1 })
      const subscription = pubsub.subscribe('t', 10)
      const listening = subscription.listen()
      pubsub.publish('t', 1)
      pubsub.publish('t', 2)
      expect([await listening, await subscription.listen(), subscription.dropped]).to.deep.equal([
        1, 2, 0,
      ])
    })
  })

  describe('expiry', () => {
    it('leaves what is in the buffer to be read', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      pubsub.publish('t', 1)
      await clock.advance(10)
      expect(await subscription.listen()).to.equal(1)
      expect(await codeOf(() => subscription.listen())).to.equal('PUBSUB_TIMED_OUT')
    })

    it('comes at the time to live, not before, and listening does not put it off', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      await clock.advance(9)
      const outcome = codeOf(() => subscription.listen())
      expect(pubsub.subscriptionCount).to.equal(1)
      await clock.advance(1)
      expect([await outcome, pubsub.subscriptionCount]).to.deep.equal(['PUBSUB_TIMED_OUT', 0])
    })

    it('of a subscription leaves a later one of the same topic alone', async () => {
      const { clock, pubsub } = broker()
      pubsub.subscribe('t', 10)
      await clock.advance(5)
      const second = pubsub.subscribe('t', 10)
      await clock.advance(5)
      pubsub.publish('t', 1)
      expect(await second.listen()).to.equal(1)
    })

    it('never comes for a subscription without end, which needs no timer', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('t', Infinity)
      expect(clock.pending).to.equal(0)
      await clock.advance(1e12)
      pubsub.publish('t', 1)
      expect(await subscription.listen()).to.equal(1)
    })

    it('can follow at once', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('t', 0)
      await clock.advance(0)
      expect(await codeOf(() => subscription.listen())).to.equal('PUBSUB_TIMED_OUT')
    })
  })

  describe('cancel', () => {
    it('ends the wait, forgets the buffer and the timer, and is harmless twice', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      const outcome = codeOf(() => subscription.listen())
      subscription.cancel()
      subscription.cancel()
      expect(await outcome).to.equal('PUBSUB_CANCELLED')
      expect([clock.pending, pubsub.topicCount, pubsub.subscriptionCount]).to.deep.equal([0, 0, 0])
      expect(await codeOf(() => subscription.listen())).to.equal('PUBSUB_CANCELLED')
    })

    it('forgets also what is left after expiry', async () => {
      const { clock, pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      pubsub.publish('t', 1)
      await clock.advance(10)
      subscription.cancel()
      expect([subscription.size, pubsub.subscriptionCount]).to.deep.equal([0, 0])
      expect(await codeOf(() => subscription.listen())).to.equal('PUBSUB_CANCELLED')
    })
  })

  describe('listen', () => {
    it('ends with the reason of its signal, leaves no listener there and loses no item', async () => {
      const { pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      const abort = new AbortController()
      const listening = subscription.listen({ signal: abort.signal })
      expect(getEventListeners(abort.signal, 'abort')).to.have.length(1)
      const reason = new Error('enough')
      abort.abort(reason)
      expect(await listening.catch((error: unknown) => error)).to.equal(reason)
      pubsub.publish('t', 1)
      expect(await codeOf(() => subscription.listen({ signal: abort.signal }))).to.equal(
        'Error: enough',
      )
      expect(await subscription.listen()).to.equal(1)
    })

    it('leaves no listener on the signal when an item came', async () => {
      const { pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      const { signal } = new AbortController()
      const listening = subscription.listen({ signal })
      pubsub.publish('t', 1)
      await listening
      expect(getEventListeners(signal, 'abort')).to.have.length(0)
    })

    it('leaves no listener on the signal when the time was up', async () => {
      const { clock, pubsub } = broker()
      const { signal } = new AbortController()
      const outcome = codeOf(() => pubsub.subscribe('t', 10).listen({ signal }))
      await clock.advance(10)
      expect(await outcome).to.equal('PUBSUB_TIMED_OUT')
      expect(getEventListeners(signal, 'abort')).to.have.length(0)
    })

    it('has one consumer at a time', async () => {
      const { pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      const listening = subscription.listen()
      expect(await codeOf(() => subscription.listen())).to.equal('PUBSUB_BUSY')
      pubsub.publish('t', 1)
      expect(await listening).to.equal(1)
    })
  })

  describe('for await', () => {
    const collect = async (subscription: Subscription<unknown>): Promise<unknown[]> => {
      const items: unknown[] = []
      for await (const item of subscription) {
        items.push(item)
        if (item === 'stop') break
      }
      return items
    }

    it('reads until the subscription has expired and its buffer is empty', async () => {
      const { clock, pubsub } = broker()
      const items = collect(pubsub.subscribe('t', 10))
      for (const item of [1, 2, 3]) pubsub.publish('t', item)
      await clock.advance(10)
      expect(await items).to.deep.equal([1, 2, 3])
    })

    it('cancels the subscription when the loop is left', async () => {
      const { clock, pubsub } = broker()
      const items = collect(pubsub.subscribe('t', 10))
      for (const item of [1, 'stop', 3]) pubsub.publish('t', item)
      expect(await items).to.deep.equal([1, 'stop'])
      expect([clock.pending, pubsub.subscriptionCount]).to.deep.equal([0, 0])
    })

    it('ends, also while it waits, when the iterator is told to return', async () => {
      const { pubsub } = broker()
      const iterator = pubsub.subscribe('t', 10)[Symbol.asyncIterator]()
      const next = iterator.next()
      await iterator.return?.()
      expect([(await next).done, pubsub.subscriptionCount]).to.deep.equal([true, 0])
    })

    it('does not hide that another listen waits', async () => {
      const { pubsub } = broker()
      const subscription = pubsub.subscribe('t', 10)
      void subscription.listen().catch(() => undefined)
      expect(await codeOf(() => collect(subscription))).to.equal('PUBSUB_BUSY')
    })
  })

  describe('bounds', () => {
    it('refuses a subscription beyond maxSubscriptions, and takes one when one has ended', async () => {
      const { clock, pubsub } = broker({ maxSubscriptions: 2 })
      const first = pubsub.subscribe('a', 10)
      pubsub.subscribe('b', 20)
      const refused = (): unknown => pubsub.subscribe('c', 10)
      expect(await codeOf(refused)).to.equal('PUBSUB_TOO_MANY_SUBSCRIPTIONS')
      first.cancel()
      pubsub.subscribe('c', 10)
      expect(await codeOf(refused)).to.equal('PUBSUB_TOO_MANY_SUBSCRIPTIONS')
      await clock.advance(10)
      pubsub.subscribe('c', 10)
    })

    it('refuses an option that it does not know, and says which was meant', async () => {
      const mistyped = { buffersize: 5 } as PubSubOptions
      expect(() => broker(mistyped)).to.throw(
        /^there is no option buffersize \(did you mean bufferSize\?\)/,
      )
      expect(await codeOf(() => broker(mistyped))).to.equal('PUBSUB_INVALID_OPTIONS')
    })

    it('refuses options and times out of their range', async () => {
      for (const bad of [0, -1, 1.5, NaN, 2 ** 25]) {
        for (const option of ['bufferSize', 'maxSubscriptions']) {
          const code = await codeOf(() => broker({ [option]: bad }))
          expect(code, `${option} ${bad}`).to.equal('PUBSUB_INVALID_OPTIONS')
        }
      }
      broker({ bufferSize: 65_536, maxSubscriptions: 2 ** 24 })
      expect(await codeOf(() => broker({ bufferSize: 65_537 }))).to.equal('PUBSUB_INVALID_OPTIONS')
      const overflow = 'block' as 'drop-newest'
      expect(await codeOf(() => broker({ overflow }))).to.equal('PUBSUB_INVALID_OPTIONS')
      const { pubsub } = broker()
      for (const ttl of [-1, NaN]) {
        expect(await codeOf(() => pubsub.subscribe('t', ttl))).to.equal('PUBSUB_INVALID_OPTIONS')
      }
    })
  })

  it('cancels everything when it is closed, and takes no more subscriptions', async () => {
    const { clock, pubsub } = broker()
    const outcomes = ['a', 'a', 'b'].map((topic) =>
      codeOf(() => pubsub.subscribe(topic, 10).listen()),
    )
    pubsub.close()
    pubsub.close()
    expect(await Promise.all(outcomes)).to.deep.equal(Array(3).fill('PUBSUB_CANCELLED'))
    expect([clock.pending, pubsub.topicCount]).to.deep.equal([0, 0])
    expect(await codeOf(() => pubsub.subscribe('a', 10))).to.equal('PUBSUB_CLOSED')
    expect(await codeOf(() => pubsub.publish('a', 1))).to.equal('PUBSUB_NO_SUBSCRIBERS')
  })

  it('counts what it publishes and drops, and its subscriptions', () => {
    const values: Record<string, number> = {}
    const add = ({ name }: { name: string }) => ({
      add: (value: number) => (values[name] = (values[name] ?? 0) + value),
    })
    const metrics: Metrics = {
      counter: add,
      gauge: ({ name }) => ({ set: (value) => (values[name] = value) }),
      histogram: () => ({ observe: () => undefined }),
    }
    const clock = new VirtualClock()
    const pubsub = new PubSub<number>({ clock, metrics }, { bufferSize: 1 })
    const subscription = pubsub.subscribe('t', 10)
    expect(values).to.deep.equal({ pubsub_subscriptions: 1 })
    const second = pubsub.subscribe('t', 10)
    expect(values).to.deep.equal({ pubsub_subscriptions: 2 })
    second.cancel()
    void subscription.listen()
    for (const item of [0, 1, 2, 3]) pubsub.publish('t', item)
    expect(values).to.deep.equal({
      pubsub_published_total: 4,
      pubsub_dropped_total: 2,
      pubsub_subscriptions: 1,
    })
  })

  it('gives each subscriber, in any run, the items of its life in order, or counts them', async () => {
    const step = fc.oneof(
      fc.constantFrom('publish', 'subscribe', 'cancel', 'pass'),
      fc.record({ listener: fc.nat(5) }),
    )
    const overflows = fc.constantFrom<OverflowPolicy>('drop-newest', 'drop-oldest')
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 120 }),
        overflows,
        fc.integer({ min: 1, max: 4 }),
        async (steps, overflow, bufferSize) => {
          const { clock, pubsub } = broker({ bufferSize, overflow })
          const models: Model[] = []
          const alive = (): Model[] => models.filter(({ end }) => end > clock.now())
          const publish = async (item: number): Promise<void> => {
            const code = await codeOf(() => pubsub.publish('t', item))
            expect(code === 'no error').to.equal(alive().length > 0)
            for (const model of alive()) model.offer(item, bufferSize, overflow)
          }
          for (const [index, each] of steps.entries()) {
            if (each === 'publish') await publish(index)
            else if (each === 'subscribe')
              models.push(new Model(pubsub.subscribe('t', 3), clock.now() + 3))
            else if (each === 'pass') await clock.advance(1)
            else if (each === 'cancel') models.pop()?.real.cancel()
            else await models[each.listener]?.listen()
            for (const model of models) model.check()
            expect(pubsub.subscriptionCount).to.equal(alive().length)
          }
        },
      ),
      { seed: 5, numRuns: 200 },
    )
  })
})

/** What a subscription ought to hold. */
class Model {
  readonly items: number[] = []
  readonly real: Subscription<unknown>
  readonly end: number
  dropped = 0

  constructor(real: Subscription<unknown>, end: number) {
    this.real = real
    this.end = end
  }

  offer(item: number, bufferSize: number, overflow: OverflowPolicy): void {
    this.items.push(item)
    if (this.items.length <= bufferSize) return
    this.dropped += 1
    if (overflow === 'drop-newest') this.items.pop()
    else this.items.shift()
  }

  async listen(): Promise<void> {
    if (this.items.length > 0) expect(await this.real.listen()).to.equal(this.items.shift())
  }

  check(): void {
    expect([this.real.size, this.real.dropped]).to.deep.equal([this.items.length, this.dropped])
  }
}

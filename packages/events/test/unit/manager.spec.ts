import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Logger } from '@heddle/interface'
import { createManager, type ManagerOptions, type ReceiverFailedError } from '../../src/index.ts'
import { RecordingMetrics, codeOf, recording, turn } from './support.ts'

describe('Manager', () => {
  describe('order', () => {
    it('hands events to the receiver in the order in which they were queued', async () => {
      const { manager, seen } = recording()
      await manager.start()
      for (const event of ['a', 'b', 'c']) await manager.queue(event)
      await turn()
      expect(seen).to.deep.equal(['a', 'b', 'c'])
    })

    it('processes an event that the receiver returns next, before what is queued', async () => {
      const seen: string[] = []
      const manager = createManager<string>()
      manager.setReceiver((event) => {
        seen.push(event)
        return event === 'a' ? 'a1' : event === 'a1' ? 'a2' : undefined
      })
      manager.tryQueue('a')
      manager.tryQueue('b')
      await manager.start()
      await turn()
      expect(seen).to.deep.equal(['a', 'a1', 'a2', 'b'])
    })

    it('processes an injected event and its follow-ups before inject returns', async () => {
      const { manager, seen } = recording()
      manager.setReceiver((event) => {
        seen.push(event)
        return event === 'now' ? 'follow-up' : undefined
      })
      await manager.start()
      manager.tryQueue('queued')
      manager.inject('now')
      expect(seen).to.deep.equal(['now', 'follow-up'])
      await turn()
      expect(seen).to.deep.equal(['now', 'follow-up', 'queued'])
    })

    it('lets the receiver inject: the event comes within the one that caused it', async () => {
      const { manager, seen } = recording()
      manager.setReceiver((event) => {
        seen.push(event)
        if (event === 'outer') {
          manager.inject('inner')
          seen.push('outer goes on')
          return 'outer follow-up'
        }
        return event === 'inner' ? 'inner follow-up' : undefined
      })
      manager.tryQueue('outer')
      manager.tryQueue('queued')
      await manager.start()
      await turn()
      expect(seen).to.deep.equal([
        'outer',
        'inner',
        'inner follow-up',
        'outer goes on',
        'outer follow-up',
        'queued',
      ])
    })

    it('never runs the receiver on the stack of one that queues', async () => {
      const { manager, seen } = recording()
      await manager.start()
      void manager.queue('a')
      manager.tryQueue('b')
      expect(seen).to.deep.equal([])
      await turn()
      expect(seen).to.deep.equal(['a', 'b'])
    })

    it('takes events from within the receiver, behind everything queued', async () => {
      const { manager, seen } = recording()
      manager.setReceiver((event) => {
        seen.push(event)
        if (event === 'a') manager.tryQueue('c')
        return undefined
      })
      await manager.start()
      manager.tryQueue('a')
      manager.tryQueue('b')
      await turn()
      expect(seen).to.deep.equal(['a', 'b', 'c'])
    })

    it('delivers the events of a random run in the order of a simple model', async () => {
      // Each event has a tree of follow-ups (one child) and of events queued meanwhile.
      interface Node {
        readonly id: number
        readonly followUp?: Node
        readonly inject?: Node
        readonly queued: readonly Node[]
      }
      const tree = (depth: number): fc.Arbitrary<Node> => {
        const id = fc.integer({ min: 0, max: 9999 })
        if (depth === 0) return fc.record({ id, queued: fc.constant([]) })
        const child = tree(depth - 1)
        return fc.record(
          { id, followUp: child, inject: child, queued: fc.array(child, { maxLength: 2 }) },
          { requiredKeys: ['id', 'queued'] },
        )
      }
      const roots = fc.array(tree(3), { maxLength: 6 })
      await fc.assert(
        fc.asyncProperty(roots, fc.integer({ min: 1, max: 5 }), async (roots, batch) => {
          const expected: number[] = []
          const waiting = [...roots]
          const visit = (node: Node): void => {
            expected.push(node.id)
            waiting.push(...node.queued)
            if (node.inject) visit(node.inject)
            if (node.followUp) visit(node.followUp)
          }
          for (let next = waiting.shift(); next; next = waiting.shift()) visit(next)

          const seen: number[] = []
          const manager = createManager<Node>({ capacity: 2 ** 20, batchSize: batch })
          manager.setReceiver((node) => {
            seen.push(node.id)
            for (const queued of node.queued) manager.tryQueue(queued)
            if (node.inject) manager.inject(node.inject)
            return node.followUp
          })
          for (const root of roots) manager.tryQueue(root)
          await manager.start()
          for (let i = 0; i <= expected.length && seen.length < expected.length; i += 1)
            await turn()
          expect(seen).to.deep.equal(expected)
          await manager.stop()
        }),
        { seed: 3, numRuns: 100 },
      )
    })
  })

  describe('back-pressure', () => {
    it('tells tryQueue that there is no room, at exactly its capacity, and counts it', async () => {
      const { manager, seen } = recording({ capacity: 2 })
      expect(['a', 'b', 'c'].map((event) => manager.tryQueue(event))).to.deep.equal([
        true,
        true,
        false,
      ])
      expect(manager.stats()).to.include({ queued: 2, refused: 1 })
      await manager.start()
      await turn()
      expect(manager.tryQueue('d')).to.equal(true)
      await turn()
      expect(seen).to.deep.equal(['a', 'b', 'd'])
    })

    it('makes a producer wait until there is room, first come, first served', async () => {
      const { manager, seen } = recording({ capacity: 1 })
      const log: string[] = []
      await manager.queue('a')
      const waits = ['b', 'c', 'd'].map((event) => manager.queue(event).then(() => log.push(event)))
      await turn()
      expect(log).to.deep.equal([])
      expect(manager.stats()).to.include({ queued: 1, waiting: 3, waited: 3 })
      await manager.start()
      await Promise.all(waits)
      await turn()
      expect(log).to.deep.equal(['b', 'c', 'd'])
      expect(seen).to.deep.equal(['a', 'b', 'c', 'd'])
      expect(manager.stats()).to.include({ queued: 0, waiting: 0 })
    })

    it('keeps the room that a waiting producer gets from one that comes later', async () => {
      const { manager, seen } = recording({ capacity: 1 })
      manager.setReceiver((event) => {
        seen.push(event)
        if (event === 'a') seen.push(`late: ${manager.tryQueue('late')}`)
        return undefined
      })
      await manager.queue('a')
      void manager.queue('b')
      await manager.start()
      await turn()
      expect(seen).to.deep.equal(['a', 'late: false', 'b'])
    })

    it('lets only maxWaiting producers wait, and refuses the next', async () => {
      const { manager } = recording({ capacity: 1, maxWaiting: 2 })
      await manager.queue('a')
      const waits = [manager.queue('b'), manager.queue('c')]
      expect(await codeOf(() => manager.queue('d'))).to.equal('EVENTS_OVERLOADED')
      expect(manager.stats()).to.include({ waiting: 2, refused: 1 })
      await manager.start()
      await Promise.all(waits)
    })

    it('ends a wait when the signal aborts, with its reason, and forgets the event', async () => {
      const { manager, seen } = recording({ capacity: 1 })
      const abort = new AbortController()
      await manager.queue('a')
      const wait = manager.queue('b', { signal: abort.signal })
      const reason = new Error('enough')
      abort.abort(reason)
      expect(await wait.catch((error: unknown) => error)).to.equal(reason)
      expect(await codeOf(() => manager.queue('c', { signal: abort.signal }))).to.equal(
        'Error: enough',
      )
      await manager.start()
      await turn()
      expect(seen).to.deep.equal(['a'])
    })

    it('leaves no listener on the signal once the event is in the queue', async () => {
      const { manager } = recording({ capacity: 1 })
      const { signal } = new AbortController()
      await manager.queue('a')
      const wait = manager.queue('b', { signal })
      expect(getEventListeners(signal, 'abort')).to.have.length(1)
      await manager.start()
      await wait
      expect(getEventListeners(signal, 'abort')).to.have.length(0)
    })

    it('loses and repeats nothing under more producers than it has room for', async () => {
      const { manager, seen } = recording({ capacity: 3, batchSize: 2 })
      await manager.start()
      const produce = async (name: string): Promise<void> => {
        for (let i = 0; i < 50; i += 1) await manager.queue(`${name}${i}`)
      }
      await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(produce))
      while (manager.stats().queued > 0) await turn()
      expect(seen).to.have.length(350)
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
        const own = seen.filter((event) => event.startsWith(name))
        expect(own, name).to.deep.equal(Array.from({ length: 50 }, (_, i) => `${name}${i}`))
      }
    })
  })

  describe('turns of the event loop', () => {
    it('handles a batch without a turn of the event loop for each event', async () => {
      const { manager, seen } = recording({ capacity: 1000, batchSize: 100 })
      await manager.start()
      for (let i = 0; i < 1000; i += 1) manager.tryQueue('x')
      let turns = 0
      for (; seen.length < 1000; turns += 1) await turn()
      expect(turns).to.equal(10)
    })

    it('gives the event loop a turn after each batch, however many events wait', async () => {
      const { manager, seen } = recording({ capacity: 1000, batchSize: 10 })
      await manager.start()
      for (let i = 0; i < 1000; i += 1) manager.tryQueue('x')
      await turn()
      expect(seen).to.have.length(10)
      await manager.stop()
    })

    it('gives it a turn also while each event causes the next', async () => {
      const seen: string[] = []
      const byFollowUp = createManager<string>({ batchSize: 10 })
      byFollowUp.setReceiver((event) => {
        seen.push(event)
        return event
      })
      const byQueue = createManager<string>({ batchSize: 10 })
      byQueue.setReceiver((event) => {
        seen.push(event)
        void byQueue.queue(event)
        return undefined
      })
      for (const manager of [byFollowUp, byQueue]) {
        seen.length = 0
        await manager.start()
        manager.tryQueue('again')
        await turn()
        expect(seen.length, 'after one turn').to.equal(10)
        await turn()
        expect(seen.length, 'after two turns').to.equal(20)
        await manager.stop()
      }
    })

    it('gives it a turn also when a producer refills the queue in microtasks', async () => {
      const { manager, seen } = recording({ capacity: 4, batchSize: 10 })
      await manager.start()
      const over = new AbortController()
      const producer = (async () => {
        while (!over.signal.aborted) await manager.queue('x')
      })()
      await turn()
      over.abort()
      expect(seen.length).to.be.within(1, 30)
      await producer
    })

    it('lets an interrupted chain of follow-ups go on before anything queued', async () => {
      const seen: number[] = []
      const manager = createManager<number>({ batchSize: 2 })
      manager.setReceiver((event) => {
        seen.push(event)
        return event > 0 && event < 5 ? event + 1 : undefined
      })
      manager.tryQueue(1)
      manager.tryQueue(-1)
      await manager.start()
      for (let i = 0; i < 4; i += 1) await turn()
      expect(seen).to.deep.equal([1, 2, 3, 4, 5, -1])
    })
  })

  describe('the end of a batch', () => {
    /** A manager that writes down its events, and `end` after each batch. */
    async function ending(options: ManagerOptions = {}, follow: string[] = []) {
      const seen: string[] = []
      const manager = createManager<string>(options)
      const receive = (event: string) => {
        if (event === 'bad') throw new TypeError('bad')
        seen.push(event)
        return undefined
      }
      manager.setReceiver(receive, () => {
        seen.push('end')
        return follow.shift()
      })
      await manager.start()
      return { manager, seen }
    }

    it('is told once, after all that was queued', async () => {
      const { manager, seen } = await ending()
      for (const event of ['a', 'b', 'c']) manager.tryQueue(event)
      await turn()
      expect(seen).to.deep.equal(['a', 'b', 'c', 'end'])
    })

    it('leads to an event, which comes next and has an end of its own', async () => {
      const { manager, seen } = await ending({}, ['x', 'y'])
      manager.tryQueue('a')
      await turn()
      expect(seen).to.deep.equal(['a', 'end', 'x', 'end', 'y', 'end'])
    })

    it('is told after batchSize events, before the event loop has a turn', async () => {
      const { manager, seen } = await ending({ batchSize: 2 }, ['x'])
      for (const event of ['a', 'b', 'c']) manager.tryQueue(event)
      await Promise.resolve()
      expect(seen).to.deep.equal(['a', 'b', 'end'])
      await turn()
      await turn()
      expect(seen).to.deep.equal(['a', 'b', 'end', 'x', 'c', 'end'])
    })

    it('is told also when the last event failed', async () => {
      const errors: unknown[] = []
      const { manager, seen } = await ending({ onError: ({ event }) => errors.push(event) })
      for (const event of ['a', 'bad']) manager.tryQueue(event)
      await turn()
      expect(seen).to.deep.equal(['a', 'end'])
      expect(errors).to.deep.equal(['bad'])
    })

    it('is told after an event that was injected, and not after one that was taken back or dropped', async () => {
      const { manager, seen } = await ending()
      manager.inject('a')
      expect(seen, 'later').to.deep.equal(['a'])
      await turn()
      expect(seen).to.deep.equal(['a', 'end'])
      manager.queueRevocable('b').revoke()
      await turn()
      manager.tryQueue('c')
      await manager.stop()
      await turn()
      expect(seen).to.deep.equal(['a', 'end'])
    })

    it('reports what is thrown there, and goes on', async () => {
      const errors: ReceiverFailedError[] = []
      const seen: string[] = []
      const manager = createManager<string>({ onError: (error) => errors.push(error) })
      const receive = (event: string) => {
        seen.push(event)
        return undefined
      }
      manager.setReceiver(receive, () => {
        throw new TypeError('the disk')
      })
      await manager.start()
      manager.tryQueue('a')
      await turn()
      manager.tryQueue('b')
      await turn()
      expect(seen).to.deep.equal(['a', 'b'])
      expect(errors.map(({ event, message }) => [event, message])).to.deep.equal(
        Array(2).fill([undefined, 'the receiver of the event manager threw: the disk']),
      )
    })
  })

  describe('errors of the receiver', () => {
    it('reports them with the event and goes on with the next one', async () => {
      const errors: ReceiverFailedError[] = []
      const { manager, seen } = recording({ onError: (error) => errors.push(error) })
      const cause = new RangeError('boom')
      manager.setReceiver((event) => {
        if (event === 'bad') throw cause
        seen.push(event)
        return undefined
      })
      await manager.start()
      for (const event of ['a', 'bad', 'b']) manager.tryQueue(event)
      await turn()
      expect(seen).to.deep.equal(['a', 'b'])
      expect(errors.map(({ code, event }) => [code, event])).to.deep.equal([
        ['EVENTS_RECEIVER_FAILED', 'bad'],
      ])
      expect(errors[0]?.cause).to.equal(cause)
      expect(errors[0]?.message).to.contain('boom')
      expect(manager.stats()).to.include({ handled: 3, failed: 1 })
    })

    it('reports what an injected event causes, and inject does not throw', async () => {
      const errors: ReceiverFailedError[] = []
      const { manager } = recording({ onError: (error) => errors.push(error) })
      manager.setReceiver(() => {
        throw new RangeError('boom')
      })
      await manager.start()
      manager.inject('bad')
      expect(errors.map(({ event }) => event)).to.deep.equal(['bad'])
    })

    it('keeps the events out of what a logger lists', () => {
      const { manager } = recording()
      let fields: string[] = []
      const failing = createManager<string>({
        onError: (error) => {
          fields = Object.keys(error)
        },
      })
      failing.setReceiver(() => {
        throw new RangeError('boom')
      })
      failing.inject('secret')
      expect(fields).to.not.include('event')
      expect(manager.stats().handled).to.equal(0)
    })

    it('raises them as uncaught exceptions when nobody takes them, and goes on', async () => {
      const { manager, seen } = recording()
      manager.setReceiver((event) => {
        if (event === 'bad') throw new RangeError('boom')
        seen.push(event)
        return undefined
      })
      await manager.start()
      const uncaught = await uncaughtDuring(async () => {
        for (const event of ['bad', 'a']) manager.tryQueue(event)
        await turn()
      })
      expect(uncaught.map((error) => (error as ReceiverFailedError).code)).to.deep.equal([
        'EVENTS_RECEIVER_FAILED',
      ])
      expect(seen).to.deep.equal(['a'])
    })

    it('raises what onError throws in the same way', async () => {
      const { manager, seen } = recording({
        onError: () => {
          throw new TypeError('from onError')
        },
      })
      manager.setReceiver((event) => {
        if (event === 'bad') throw new RangeError('boom')
        seen.push(event)
        return undefined
      })
      await manager.start()
      const uncaught = await uncaughtDuring(async () => {
        for (const event of ['bad', 'a']) manager.tryQueue(event)
        await turn()
      })
      expect(uncaught.map(String)).to.deep.equal(['TypeError: from onError'])
      expect(seen).to.deep.equal(['a'])
    })

    it('handles nothing more when onError stops the manager', async () => {
      const { manager, seen } = recording({ onError: () => void manager.stop() })
      manager.setReceiver((event) => {
        seen.push(event)
        throw new RangeError('boom')
      })
      await manager.start()
      for (const event of ['a', 'b']) manager.tryQueue(event)
      await turn()
      expect(seen).to.deep.equal(['a'])
      expect(manager.stats()).to.include({ dropped: 1 })
    })
  })

  describe('lifecycle', () => {
    it('takes events before start and handles them after it', async () => {
      const { manager, seen } = recording()
      manager.tryQueue('a')
      await turn()
      expect([manager.state, seen.length]).to.deep.equal(['idle', 0])
      await manager.start()
      await turn()
      expect([manager.state, ...seen]).to.deep.equal(['started', 'a'])
    })

    it('does not start without a receiver, or when the signal has aborted', async () => {
      const manager = createManager<string>()
      expect(await codeOf(() => manager.start())).to.equal('EVENTS_NO_RECEIVER')
      expect(await codeOf(() => manager.inject('a'))).to.equal('EVENTS_NO_RECEIVER')
      manager.setReceiver(() => undefined)
      const signal = AbortSignal.abort(new Error('no'))
      expect(await codeOf(() => manager.start({ signal }))).to.equal('Error: no')
      expect(manager.state).to.equal('idle')
    })

    it('starts and stops twice without harm, and does not start again', async () => {
      const { manager, seen } = recording()
      await manager.start()
      await manager.start()
      manager.tryQueue('a')
      await turn()
      expect(seen).to.deep.equal(['a'])
      await manager.stop()
      await manager.stop()
      expect(manager.state).to.equal('stopped')
      expect(await codeOf(() => manager.start())).to.equal('EVENTS_STOPPED')
    })

    it('keeps its pace when start is called while a batch is due', async () => {
      const { manager, seen } = recording({ batchSize: 1 })
      await manager.start()
      for (const event of ['a', 'b', 'c', 'd']) manager.tryQueue(event)
      await Promise.resolve()
      void manager.start()
      manager.tryQueue('e')
      await turn()
      expect(seen).to.deep.equal(['a', 'b'])
      await manager.stop()
    })

    it('leaves nothing for the event loop to do', async () => {
      const immediates = (): number =>
        process.getActiveResourcesInfo().filter((name) => name === 'Immediate').length
      const { manager } = recording({ batchSize: 1 })
      await manager.start()
      const before = immediates()
      for (const event of ['a', 'b', 'c']) manager.tryQueue(event)
      await Promise.resolve()
      expect(immediates()).to.equal(before + 1)
      await manager.stop()
      expect(immediates()).to.equal(before)
    })

    it('stops before it was started', async () => {
      const { manager } = recording()
      await manager[Symbol.asyncDispose]()
      expect(manager.state).to.equal('stopped')
    })

    it('hands out not one event after stop, and counts those that it drops', async () => {
      const { manager, seen } = recording({ batchSize: 2 })
      manager.setReceiver((event) => {
        seen.push(event)
        if (event !== 'c') return undefined
        void manager.stop()
        return 'follow-up'
      })
      await manager.start()
      for (const event of ['a', 'b', 'c', 'd', 'e']) manager.tryQueue(event)
      for (let i = 0; i < 5; i += 1) await turn()
      expect(seen).to.deep.equal(['a', 'b', 'c'])
      expect(manager.stats()).to.include({ queued: 0, handled: 3, dropped: 3 })
    })

    it('stops a chain of injected events, too', async () => {
      const { manager, seen } = recording()
      manager.setReceiver((event) => {
        seen.push(event)
        void manager.stop()
        return 'follow-up'
      })
      await manager.start()
      manager.inject('a')
      expect(seen).to.deep.equal(['a'])
      expect(manager.stats().dropped).to.equal(1)
    })

    it('drops a chain that was interrupted for a turn of the event loop', async () => {
      const { manager, seen } = recording({ batchSize: 1 })
      manager.setReceiver((event) => {
        seen.push(event)
        return 'again'
      })
      await manager.start()
      manager.tryQueue('a')
      await Promise.resolve()
      await manager.stop()
      await turn()
      expect(seen).to.deep.equal(['a'])
      expect(manager.stats().dropped).to.equal(1)
    })

    it('rejects producers that wait, and all later ones, with EVENTS_STOPPED', async () => {
      const { manager } = recording({ capacity: 1 })
      await manager.queue('a')
      const waits = [manager.queue('b'), manager.queue('c')].map((wait) => codeOf(() => wait))
      await manager.stop()
      expect(await Promise.all(waits)).to.deep.equal(['EVENTS_STOPPED', 'EVENTS_STOPPED'])
      expect(manager.stats()).to.include({ waiting: 0 })
      expect(await codeOf(() => manager.queue('d'))).to.equal('EVENTS_STOPPED')
      expect(await codeOf(() => manager.inject('d'))).to.equal('EVENTS_STOPPED')
      expect(manager.tryQueue('d')).to.equal(false)
    })

    it('hands the next event to a receiver that was set meanwhile', async () => {
      const { manager, seen } = recording()
      manager.setReceiver((event) => {
        seen.push(`old ${event}`)
        manager.setReceiver((next) => {
          seen.push(`new ${next}`)
          return undefined
        })
        return undefined
      })
      await manager.start()
      manager.tryQueue('a')
      manager.tryQueue('b')
      await turn()
      expect(seen).to.deep.equal(['old a', 'new b'])
    })

    it('refuses an option that it does not know, and says which was meant', async () => {
      const mistyped = { capcity: 5 } as ManagerOptions
      expect(() => createManager(mistyped)).to.throw(
        /^there is no option capcity \(did you mean capacity\?\)/,
      )
      expect(await codeOf(() => createManager(mistyped))).to.equal('EVENTS_INVALID_OPTIONS')
    })

    it('refuses bounds that are out of range', async () => {
      for (const bad of [0, -1, 1.5, NaN, 2 ** 24 + 1]) {
        for (const option of ['capacity', 'batchSize', 'maxWaiting']) {
          const code = await codeOf(() => createManager({ [option]: bad }))
          expect(code, `${option} ${bad}`).to.equal('EVENTS_INVALID_OPTIONS')
        }
      }
      for (const good of [1, 2 ** 24]) {
        const manager = createManager({ capacity: good, batchSize: good, maxWaiting: good })
        expect(manager.capacity).to.equal(good)
      }
      expect(createManager().capacity).to.equal(1000)
    })
  })

  describe('metrics', () => {
    it('count what is queued, injected, refused, waits, fails and is dropped', async () => {
      const metrics = new RecordingMetrics()
      const { manager } = recording({
        capacity: 2,
        name: 'core',
        metrics,
        onError: () => undefined,
      })
      manager.setReceiver((event) => {
        if (event === 'bad') throw new RangeError('boom')
        return undefined
      })
      manager.tryQueue('a')
      manager.tryQueue('bad')
      manager.tryQueue('refused')
      const wait = manager.queue('waits')
      await manager.start()
      await wait
      await turn()
      const afterBatch = {
        'events_handled_total core': 3,
        'events_refused_total core': 1,
        'events_waited_total core': 1,
        'events_failed_total core': 1,
        'events_queued core': 0,
      }
      expect(metrics.values).to.deep.equal(afterBatch)
      manager.inject('injected')
      expect(metrics.values).to.deep.equal({ ...afterBatch, 'events_handled_total core': 4 })
      manager.tryQueue('dropped')
      await manager.stop()
      expect(metrics.values['events_dropped_total core']).to.equal(1)
    })

    it('are told once for each batch, not for each event', async () => {
      const metrics = new RecordingMetrics()
      const { manager } = recording({ metrics, batchSize: 10 })
      await manager.start()
      for (let i = 0; i < 25; i += 1) manager.tryQueue('x')
      await turn()
      expect(metrics.values).to.include({
        'events_handled_total events': 10,
        'events_queued events': 15,
      })
      await turn()
      expect(metrics.values).to.include({ 'events_handled_total events': 20 })
      await manager.stop()
    })

    it('tell what a manager dropped that never started', async () => {
      const metrics = new RecordingMetrics()
      const { manager } = recording({ metrics })
      manager.tryQueue('a')
      await manager.stop()
      expect(metrics.values).to.deep.equal({
        'events_dropped_total events': 1,
        'events_queued events': 0,
      })
    })
  })

  it('writes failures and its end, with what it counted, into the log', async () => {
    const lines: unknown[] = []
    const write = (event: string, fields: unknown, error?: unknown): void => {
      lines.push([event, fields, (error as ReceiverFailedError | undefined)?.code])
    }
    const logger: Logger = {
      debug: write,
      info: write,
      warn: write,
      error: write,
      child: () => logger,
    }
    const { manager } = recording({ logger, name: 'core', onError: () => undefined })
    manager.setReceiver(() => {
      throw new RangeError('boom')
    })
    manager.inject('bad')
    await manager.stop()
    await manager.stop()
    const stats = {
      queued: 0,
      waiting: 0,
      handled: 1,
      refused: 0,
      waited: 0,
      failed: 1,
      dropped: 0,
    }
    expect(lines).to.deep.equal([
      ['receiver failed', { manager: 'core' }, 'EVENTS_RECEIVER_FAILED'],
      ['event manager stopped', { manager: 'core', ...stats }, undefined],
    ])
  })
})

/** What is thrown past everybody while `action` runs. */
async function uncaughtDuring(action: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = []
  const listeners = process.rawListeners('uncaughtException') as NodeJS.UncaughtExceptionListener[]
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => uncaught.push(error))
  try {
    await action()
    await turn()
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
  return uncaught
}

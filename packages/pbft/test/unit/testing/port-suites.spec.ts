import { expect } from 'chai'
import {
  journalCases,
  MemoryJournal,
  MemoryNetwork,
  MemoryStateMachine,
  networkCases,
  signerCases,
  stateMachineCases,
  TestKeys,
} from '../../../src/testing.ts'
import { nextTurn } from '../../support/turns.ts'
import type { Journal, Network, StateMachine, Verifier } from '../../../src/index.ts'
import type { PortCase } from '../../../src/testing.ts'

/** Names of the cases that fail, without their port. */
async function failing(cases: readonly PortCase[]): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of cases) {
    await run().catch(() => failed.push(name.slice(name.indexOf(': ') + 2)))
  }
  return failed
}

/** Each break must be found by a case whose name has this in it. */
function finds(breaks: Readonly<Record<string, readonly [PortCase[], RegExp]>>): void {
  for (const [what, [cases, by]] of Object.entries(breaks)) {
    it(`finds ${what}`, async () => {
      expect((await failing(cases)).join('\n')).to.match(by)
    })
  }
}

describe('networkCases', () => {
  const over = (broken: (port: Network) => Network, sender?: number): PortCase[] =>
    networkCases(() => {
      const network = new MemoryNetwork()
      const received: { from: number; bytes: Uint8Array }[] = []
      network.connect(1, (from, bytes) => received.push({ from: sender ?? from, bytes }))
      return { port: broken(network.port(0)), received, settle: () => nextTurn() }
    })
  const withoutRepeats = (port: Network): Network => {
    const seen = new Set<Uint8Array>()
    return {
      send: (to, bytes) => {
        if (seen.has(bytes)) return Promise.resolve()
        seen.add(bytes)
        return port.send(to, bytes)
      },
    }
  }
  const latestFirst = (port: Network): Network => {
    let waiting: (() => void)[] = []
    return {
      send: async (to, bytes) => {
        await new Promise<void>((resolve) => {
          if (waiting.length === 0) {
            queueMicrotask(() => {
              for (const go of waiting.reverse()) go()
              waiting = []
            })
          }
          waiting.push(resolve)
        })
        await port.send(to, bytes)
      },
    }
  }
  finds({
    'a network that cuts long messages': [
      over((port) => ({ send: (to, bytes) => port.send(to, bytes.subarray(0, 100_000)) })),
      /whole/,
    ],
    'a network that tells another sender': [over((port) => port, 2), /sender/],
    'a network that loses repeated bytes': [over(withoutRepeats), /again/],
    'a network that turns the order around': [over(latestFirst), /together/],
    'a network that throws when nobody is there': [
      over((port) => ({
        send: (to, bytes) => {
          if (to === 99) throw new TypeError('nobody')
          return port.send(to, bytes)
        },
      })),
      /does not throw/,
    ],
  })
})

describe('journalCases', () => {
  const over = (broken: (journal: Journal) => Journal): PortCase[] =>
    journalCases(() => {
      const journal = new MemoryJournal()
      return { journal: broken(journal), reopen: () => broken(journal) }
    })
  const delegate = (journal: Journal, change: Partial<Journal>): Journal => ({
    append: (records) => journal.append(records),
    records: () => journal.records(),
    rewrite: (records) => journal.rewrite(records),
    ...change,
  })
  finds({
    'a journal that forgets when it is opened again': [
      journalCases(() => ({ journal: new MemoryJournal(), reopen: () => new MemoryJournal() })),
      /after it was opened again/,
    ],
    'a journal that appends where it should rewrite': [
      over((journal) => delegate(journal, { rewrite: (records) => journal.append(records) })),
      /rewriting replaces/,
    ],
    'a journal that takes an empty rewrite for none': [
      over((journal) =>
        delegate(journal, {
          rewrite: (records) =>
            records.length === 0 ? Promise.resolve() : journal.rewrite(records),
        }),
      ),
      /to nothing/,
    ],
    'a journal that keeps no empty records': [
      over((journal) =>
        delegate(journal, {
          append: (records) => journal.append(records.filter(({ length }) => length > 0)),
        }),
      ),
      /in order, after it was opened/,
    ],
  })
})

describe('stateMachineCases', () => {
  const over = (
    broken: (machine: MemoryStateMachine) => Partial<StateMachine>,
    reopen: (machine: StateMachine) => StateMachine = (machine) => machine,
  ): PortCase[] => {
    const real = new WeakMap<StateMachine, MemoryStateMachine>()
    return stateMachineCases(() => ({
      create: (source) => {
        const machine = new MemoryStateMachine({ source: () => source && real.get(source) })
        const made: StateMachine = {
          check: (request, purpose) => machine.check(request, purpose),
          isExecuted: (id) => machine.isExecuted(id),
          lastExecuted: () => machine.lastExecuted(),
          execute: (sequence, requests) => machine.execute(sequence, requests),
          transfer: (target) => machine.transfer(target),
          ...broken(machine),
        }
        real.set(made, machine)
        return made
      },
      reopen,
      requests: [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')],
      invalid: Buffer.alloc(0),
    }))
  }
  let salt = 0
  finds({
    'execution that differs between replicas': [
      over((machine) => {
        salt += 1
        const own = Buffer.from(`request of ${salt}`)
        return { execute: (sequence, requests) => machine.execute(sequence, [own, ...requests]) }
      }),
      /same digests on every replica/,
    ],
    'a digest that does not cover the order': [
      over((machine) => ({
        execute: (sequence, requests) =>
          machine.execute(
            sequence,
            [...requests].sort((a, b) => Buffer.compare(a, b)),
          ),
      })),
      /another order/,
    ],
    'a null request that is skipped': [
      over((machine) => ({
        execute: (sequence, requests) =>
          requests.length === 0
            ? Promise.resolve(machine.lastExecuted().digest)
            : machine.execute(sequence, requests),
      })),
      /null request/,
    ],
    'a service that takes everything': [
      over((machine) => ({
        check: (request, purpose) =>
          request.length === 0 ? Promise.resolve('empty') : machine.check(request, purpose),
      })),
      /invalid request/,
    ],
    'a service that forgets when it is opened again': [
      over(
        () => ({}),
        () => new MemoryStateMachine(),
      ),
      /opened again/,
    ],
    'a service that never remembers what it executed': [
      over(() => ({ isExecuted: () => false })),
      /executed once it was executed/,
    ],
    'a service that tells other states than it was in': [
      over((machine) => ({
        earlierDigests: async (downTo) => [
          machine.lastExecuted().digest,
          ...(await machine.earlierDigests(downTo)),
        ],
      })),
      /earlier states/,
    ],
    'a transfer that does nothing': [
      over((machine) => ({ transfer: () => Promise.resolve(machine.lastExecuted()) })),
      /leads to the state of its target/,
    ],
    'a transfer that believes any target': [
      over((machine) => ({
        transfer: (target) => machine.transfer(target).catch(() => target),
      })),
      /nobody has/,
    ],
  })
})

describe('signerCases', () => {
  const over = (verify: (keys: TestKeys) => Verifier['verify']): PortCase[] =>
    signerCases(() => {
      const keys = new TestKeys()
      return { signer: (replica) => keys.signer(replica), verifier: { verify: verify(keys) } }
    })
  finds({
    'a verifier that takes anything': [over(() => () => true), /nothing else/],
    'a verifier that takes the signature of any replica': [
      over((keys) => (_replica, bytes, signature) => {
        return [0, 1, 2, 3].some((replica) => keys.verify(replica, bytes, signature))
      }),
      /nothing else/,
    ],
    'a verifier that looks at a part of the signature': [
      over((keys) => (replica, bytes, signature) => {
        const whole = keys.signer(replica).sign(bytes) as Buffer
        return whole.subarray(0, 16).equals(signature.subarray(0, 16))
      }),
      /changed/,
    ],
  })
})

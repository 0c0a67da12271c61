import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { create, encode, heddle } from '@heddle/proto'
import { ClockWatch } from '../../src/node/clock-watch.ts'
import { Conditions } from '../../src/node/conditions.ts'
import { ProcessWatch, twiceMs } from '../../src/node/process-watch.ts'

/** What all have alike is not the matter here. */
const settings = { told: { settings: undefined }, receive: () => undefined }

/** Three validators; the third may be two processes. */
function network() {
  const clock = new VirtualClock()
  const make = (replica: number, process: bigint) => {
    const conditions = new Conditions({ clock })
    return { replica, conditions, watch: new ProcessWatch({ replica, conditions, process }) }
  }
  type Node = ReturnType<typeof make>
  const [zero, one] = [make(0, 10n), make(1, 11n)]
  const tell = (from: Node, ...to: Node[]): void => {
    for (const each of to) each.watch.receive(from.replica, from.watch.told)
  }
  const reasons = ({ conditions }: Node): string[] => conditions.current.map(({ reason }) => reason)
  return { clock, make, zero, one, tell, reasons }
}

describe('two processes that speak as one validator', () => {
  it('are named by whoever hears both in turn, and by both', async () => {
    const { clock, make, zero, one, tell, reasons } = network()
    const [first, second] = [make(2, 20n), make(2, 21n)]
    for (const each of [first, second, first]) {
      tell(each, zero, one)
      tell(zero, first, second)
    }
    tell(second, zero)
    tell(zero, first, second)
    for (const each of [zero, one])
      expect(reasons(each)).to.deep.equal(['heard here are two processes that speak as validator2'])
    for (const each of [first, second])
      expect(reasons(each)).to.deep.equal([
        'validator0 hears two processes that speak as validator2',
      ])
    await clock.advance(twiceMs)
    expect(reasons(zero), 'one of them is gone').to.deep.equal([])
  })

  it('are told so at once, though they take the connection from each other before it is time', async () => {
    const clock = new VirtualClock()
    const watches = new Map<string, ClockWatch>()
    // Only one of the two is connected, and to validator0 alone.
    let connected = 'first'
    const make = (name: string, replica: number, process: bigint) => {
      const conditions = new Conditions({ clock })
      const tell = (bytes: Uint8Array, to?: number): void => {
        if (name !== 'zero' && name !== connected) return
        if (name !== 'zero') watches.get('zero')!.receive(2, bytes)
        else if (to !== undefined) watches.get(connected)!.receive(0, bytes)
      }
      const processes = new ProcessWatch({ replica, conditions, process })
      watches.set(name, new ClockWatch({ clock, tell, conditions, processes, settings }))
      return { name, conditions, tell, processes }
    }
    const nodes = [make('zero', 0, 10n), make('first', 2, 20n), make('second', 2, 21n)]
    const speak = async (name: string): Promise<void> => {
      connected = name
      const { tell, processes } = nodes.find((each) => each.name === name)!
      tell(encode(heddle.WallTimeSchema, create(heddle.WallTimeSchema, processes.told)))
      await clock.advance(500)
    }
    // What validator0 tells everybody reached the first, once.
    await speak('first')
    nodes[1]!.processes.receive(0, nodes[0]!.processes.told)
    for (const name of ['second', 'first', 'second']) await speak(name)
    const named = nodes.map(({ conditions }) => conditions.current.map((each) => each.condition))
    expect(named).to.deep.equal([['same-identity'], ['same-identity'], ['same-identity']])
  })

  it('are none when a validator is started again, however often', () => {
    const { make, zero, one, tell, reasons } = network()
    for (let start = 0n; start < 20n; start++) {
      const again = make(2, 20n + start)
      tell(zero, again)
      tell(again, zero, one)
      tell(zero, again)
      expect([...reasons(again), ...reasons(zero), ...reasons(one)]).to.deep.equal([])
    }
  })

  it('are none of a version that has no numbers, and numbers are random', () => {
    const { zero, reasons } = network()
    for (const process of [5n, 0n, 5n, 0n]) zero.watch.receive(2, { process, heard: [] })
    expect(reasons(zero)).to.deep.equal([])
    const { conditions } = zero
    const numbers = [0, 0].map(() => new ProcessWatch({ replica: 0, conditions }).told.process)
    expect(numbers[0]).not.to.equal(numbers[1])
    expect(numbers).not.to.include(0n)
  })
})

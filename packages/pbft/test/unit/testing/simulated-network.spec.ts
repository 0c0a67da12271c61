import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { frameOf } from '../../../src/wire/frame.ts'
import { Random, SimulatedNetwork } from '../../../src/testing.ts'

describe('SimulatedNetwork', () => {
  it('gives a replica no more of a sender that it holds back, and then what waits, in order', async () => {
    const clock = new VirtualClock()
    const faults = { minDelayMs: 1, maxDelayMs: 1, loss: 0, duplication: 0 }
    const network = new SimulatedNetwork(clock, new Random(1), faults)
    const received: string[] = []
    const goOn: (() => void)[] = []
    network.connect(1, (from, bytes) => {
      received.push(`${from}${Buffer.from(bytes).toString().at(-1)}`)
      return from === 0 ? new Promise<void>((resolve) => goOn.push(resolve)) : undefined
    })
    for (const name of ['a', 'b', 'c'])
      for (const from of [0, 2]) await network.port(from).send(1, frameOf(Buffer.from(name)))
    await clock.advance(1)
    expect(received).to.deep.equal(['0a', '2a', '2b', '2c'])
    goOn.shift()?.()
    await clock.advance(1)
    expect(received.slice(4)).to.deep.equal(['0b'])
    goOn.shift()?.()
    await clock.advance(1)
    expect(received.slice(4)).to.deep.equal(['0b', '0c'])
  })
})

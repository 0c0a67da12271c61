import { expect } from 'chai'
import { common, decode, encode } from '@heddle/proto'
import { MemoryChain, chainCases } from '../../src/testing.ts'
import type { Chain } from '../../src/index.ts'

/** A chain that does everything as `chain`, but for what `change` says. */
function delegate(chain: MemoryChain, change: Partial<Chain>): Chain {
  return {
    channelId: chain.channelId,
    configSequence: 0n,
    submit: (envelope, options) => chain.submit(envelope, options),
    height: () => chain.height(),
    block: (number) => chain.block(number),
    follow: (from, options) => chain.follow(from, options),
    authorize: (action, signed) => chain.authorize(action, signed),
    ...change,
  }
}

/** A chain whose blocks are what `change` makes of the right ones. */
function changed(chain: MemoryChain, change: (block: common.Block) => void): Partial<Chain> {
  return {
    block: async (number) => {
      const bytes = await chain.block(number)
      if (bytes === undefined) return undefined
      const block = decode(common.BlockSchema, Uint8Array.from(bytes))
      change(block)
      return encode(common.BlockSchema, block)
    },
  }
}

const breaks: Record<string, (chain: MemoryChain) => Partial<Chain>> = {
  'a chain that acknowledges before there is a block': (chain) => ({
    submit: (envelope) => {
      void chain.submit(envelope)
      return Promise.resolve()
    },
  }),
  'a chain that loses envelopes': () => ({ submit: () => Promise.resolve() }),
  'a chain that orders an envelope twice': (chain) => ({
    submit: (envelope) => chain.appendBlock([envelope.bytes]),
  }),
  'a chain whose blocks do not follow one another': (chain) =>
    changed(chain, ({ header }) => header?.previousHash.fill(1)),
  'a chain whose data is not what the header says': (chain) =>
    changed(chain, ({ header }) => header?.dataHash.fill(1)),
  'a chain that numbers from 1': (chain) =>
    changed(chain, ({ header }) => {
      if (header) header.number += 1n
    }),
  'a chain that counts a block that is not there': (chain) => ({
    height: () => chain.height() + 1n,
  }),
  'a chain that gives another block beyond its height': (chain) => ({
    block: async (number) => (await chain.block(number)) ?? (await chain.block(0n)),
  }),
  'a chain that always follows from the first block': (chain) => ({
    follow: (_from, options) => chain.follow(0n, options),
  }),
  'a chain that repeats blocks to those who follow': (chain) => ({
    async *follow(from, options) {
      for await (const block of chain.follow(from, options)) {
        yield block
        yield block
      }
    },
  }),
  'a chain that ignores the signal of who follows': (chain) => ({
    follow: (from) => chain.follow(from),
  }),
  'a chain that ignores the signal of who submits': (chain) => ({
    submit: (envelope) => chain.submit(envelope),
  }),
  'a chain that says that it cannot order': () => ({ errored: () => AbortSignal.abort() }),
}

describe('chainCases', () => {
  /** Whether the case of a broken chain ends well; one that waits for ever does not. */
  async function passes(run: () => Promise<void>): Promise<boolean> {
    let turns = 0
    const patience = async (): Promise<boolean> => {
      for (; turns < 2000; turns += 1) await new Promise((resolve) => setImmediate(resolve))
      return false
    }
    return Promise.race([
      run().then(
        () => true,
        () => false,
      ),
      patience(),
    ])
  }

  for (const [what, change] of Object.entries(breaks)) {
    it(`finds ${what}`, async () => {
      const cases = chainCases(async () => {
        const memory = new MemoryChain({ channelId: 'ch' })
        await memory.appendBlock([Buffer.from('first')])
        return { chain: delegate(memory, change(memory)) }
      })
      const outcomes = await Promise.all(cases.map(({ run }) => passes(run)))
      expect(outcomes).to.include(false)
      expect(outcomes, 'a case fails for everything').to.include(true)
    })
  }
})

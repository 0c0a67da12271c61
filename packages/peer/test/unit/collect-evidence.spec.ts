import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { create, heddle } from '@heddle/proto'
import { collectEvidence } from '../../src/network/collect-evidence.ts'
import { Submissions } from '../../src/network/submissions.ts'
import { testChannel } from '../support/channel.ts'
import type { NetworkClient } from '@heddle/client'

/** A network of one, to which others submit while its state is read the first `times` times. */
async function busy(times: number) {
  const chain = { height: 5n, lastHash: '05' }
  let reads = 0
  const status = () =>
    Promise.resolve(
      create(heddle.StatusReplySchema, {
        ...{ height: chain.height, stateHeight: chain.height },
        lastBlockHash: Buffer.from(chain.lastHash, 'hex'),
      }),
    )
  // eslint-disable-next-line @typescript-eslint/require-await -- an empty state
  async function* entries() {
    reads++
    if (reads > times) return
    chain.height++
    chain.lastHash = chain.height.toString().padStart(2, '0')
    throw new Error('a block changed the state')
    yield
  }
  const validators = [{ name: 'validator0', status, entries }]
  const { genesis } = await testChannel(1)
  const client = { validators, genesis } as unknown as NetworkClient
  const deps = {
    client,
    follower: chain,
    submissions: new Submissions(),
    clock: new VirtualClock(),
  }
  return collectEvidence(deps, new AbortController().signal)
}

describe('what the proof is made of', () => {
  it('is gathered again when blocks of others came meanwhile', async () => {
    const { validators, followedHash } = await busy(2)
    expect(validators.map(({ evidence }) => evidence?.height)).to.deep.equal([7n])
    expect(followedHash).to.equal('07')
  })
})

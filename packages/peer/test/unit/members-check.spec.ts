import { expect } from 'chai'
import { blockQuorum } from '@heddle/channel'
import { VirtualClock } from '@heddle/events/testing'
import { faultsTolerated, quorumOf, weakQuorumOf } from '@heddle/pbft'
import { Conditions } from '../../src/node/conditions.ts'
import { MembersCheck, downMs, silentMs } from '../../src/node/members-check.ts'

function checking(n: number) {
  const clock = new VirtualClock()
  const conditions = new Conditions({ clock })
  const others = Array.from({ length: n - 1 }, (_, index) => index + 1)
  let connected = others
  const at = { isStarting: false }
  const isStarting = (): boolean => at.isStarting
  const check = new MembersCheck({
    ...{ others, connected: () => connected, isStarting, clock, conditions },
  })
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1000) {
      await clock.advance(Math.min(left, 1000))
      check.look()
    }
  }
  const connect = (...replicas: number[]): void => {
    connected = replicas
    check.look()
  }
  const said = () => conditions.current.map(({ condition, reason }) => [condition, reason])
  return { at, clock, check, advance, connect, said }
}

describe('the check of the other validators', () => {
  it('says after a while that one is down, and no more when it is back', async () => {
    const { advance, check, connect, said } = checking(4)
    connect(1, 2)
    await advance(downMs - 1)
    expect(said()).to.deep.equal([])
    await advance(1)
    const reason = 'validator3 has not been connected for 3 s'
    expect(said()).to.deep.equal([['validator-down', reason]])
    connect(1, 2, 3)
    for (const replica of [1, 2]) check.heard(replica)
    expect(said()).to.deep.equal([])
  })

  it('says that a connected one is silent, and that too few of a quorum talk', async () => {
    const { advance, check, said } = checking(4)
    const heard = async (...replicas: number[]): Promise<void> => {
      for (let ms = 0; ms < silentMs; ms += 1000) {
        await advance(1000)
        for (const replica of replicas) check.heard(replica)
      }
      check.look()
    }
    await heard(1, 2, 3)
    expect(said()).to.deep.equal([])
    await heard(1, 2)
    const silent = (replica: number): string[] => [
      'validator-silent',
      `validator${replica} is connected, and has said nothing for 5 s`,
    ]
    expect(said()).to.deep.equal([silent(3)])
    await heard(1, 3)
    expect(said()).to.deep.equal([silent(2)])
    await heard(1)
    const few = 'connected with 3 validators, 2 of them silent; a quorum needs 2 of the others'
    expect(said().slice(0, 1)).to.deep.equal([['too-few-connected', few]])
    expect(said()).to.have.length(3)
  })

  it('says of a silent one that it is down as soon as its connection ends, and begins anew with the next', async () => {
    const { advance, check, connect, said } = checking(4)
    const down = (second: number): string[] => [
      'validator-down',
      `validator3 has not been connected for ${second} s`,
    ]
    connect(1, 2, 3)
    for (let ms = 0; ms < silentMs; ms += 1000) {
      await advance(1000)
      for (const replica of [1, 2]) check.heard(replica)
    }
    expect(said().map(([condition]) => condition)).to.deep.equal(['validator-silent'])
    connect(1, 2)
    expect(said()).to.deep.equal([down(0)])
    await advance(1000)
    expect(said()).to.deep.equal([down(1)])
    connect(1, 2, 3)
    expect(said()).to.deep.equal([])
  })

  it('does not say of one that starts that it is connected with too few', () => {
    const { at, connect, said } = checking(4)
    at.isStarting = true
    connect()
    expect(said()).to.deep.equal([])
    at.isStarting = false
    connect()
    expect(said().map(([condition]) => condition)).to.deep.equal(['too-few-connected'])
  })

  it('takes nobody for silent or down because this process stood still itself', async () => {
    const { clock, check, connect, said } = checking(4)
    connect(1, 2)
    await clock.advance(600_000)
    check.look()
    expect(said()).to.deep.equal([])
    check.heard(7)
    expect(said(), 'a stranger changes nothing').to.deep.equal([])
  })
})

// Written out, so that no formula is compared with itself.
const quorums = [
  ...[1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 10, 10, 11],
  ...[12, 12, 13, 14, 14, 15, 16, 16, 17, 18, 18, 19, 20, 20, 21],
]

describe('the quorum', () => {
  for (const [index, quorum] of quorums.entries()) {
    const n = index + 1
    it(`of ${n} is ${quorum} for the consensus, for block signatures and for /healthz`, () => {
      expect(quorumOf(n)).to.equal(quorum)
      expect(blockQuorum(n), 'what Fabric asks of a block').to.equal(quorum)
      expect(weakQuorumOf(n)).to.equal(faultsTolerated(n) + 1)
      const { connect, said } = checking(n)
      connect(...Array.from({ length: quorum - 1 }, (_, other) => other + 1))
      expect(said()).to.deep.equal([])
      if (quorum < 2) return
      connect(...Array.from({ length: quorum - 2 }, (_, other) => other + 1))
      const few = `connected with ${quorum - 2} validators; a quorum needs ${quorum - 1} of the others`
      expect(said()).to.deep.equal([['too-few-connected', few]])
    })
  }
})

import { VirtualClock } from '@heddle/events/testing'
import { common, create, decode, heddle } from '@heddle/proto'
import { expect } from 'chai'
import { DenialWatch, deniedMs } from '../../src/network/denial-watch.ts'
import { signedBlocks } from '../support/signed-chain.ts'
import type { NetworkClient } from '@heddle/client'

/** How the validators answer: how many blocks each says to have; undefined: no answer. */
type Heights = (bigint | undefined)[]

describe('DenialWatch', function () {
  this.timeout(30_000) // a loaded machine takes its time
  let blocks: common.Block[] = []
  before(async () => {
    blocks = (await signedBlocks(3)).map((bytes) => decode(common.BlockSchema, bytes))
  })

  function watching(heights: Heights) {
    const clock = new VirtualClock()
    const said: string[] = []
    const network = { heights }
    const monitor = {
      get statuses() {
        return network.heights.map((height) =>
          height === undefined ? undefined : create(heddle.StatusReplySchema, { height }),
        )
      },
    }
    const validators = [0, 1, 2, 3].map((index) => ({ name: `validator${index}` }))
    const client = { validators } as unknown as NetworkClient
    const watch = new DenialWatch({ monitor, client, clock, note: (text) => void said.push(text) })
    watch.start()
    return { clock, said, network, watch }
  }

  it('names the f + 1 that lack a block and who signed it, once, after a while', async () => {
    const { clock, said, watch } = watching([4n, 3n, 2n, undefined])
    watch.hold(blocks[3]!)
    await clock.advance(deniedMs)
    expect(said).to.deep.equal([])
    await clock.advance(1000)
    expect(said).to.have.length(1)
    expect(said[0]).to.match(
      /^WARNING: validator1, validator2 say that they do not have block 3, which validator0, validator1, validator2 signed/,
    )
    expect(watch.isDenied).to.equal(true)
    await clock.advance(10 * deniedMs)
    expect(said).to.have.length(1)
    watch.stop()
  })

  it('says nothing of f that lack it, nor of those that do not answer', async () => {
    const { clock, said, watch } = watching([4n, 4n, 1n, undefined])
    watch.hold(blocks[3]!)
    await clock.advance(10 * deniedMs)
    expect(said).to.deep.equal([])
    watch.stop()
  })

  it('says nothing of those that catch up, however long that takes', async () => {
    const { clock, said, network, watch } = watching([4n, 4n, 1n, 1n])
    watch.hold(blocks[3]!)
    await clock.advance(deniedMs - 1000)
    network.heights = [4n, 4n, 2n, 2n]
    await clock.advance(deniedMs - 1000)
    network.heights = [4n, 4n, 4n, 3n]
    await clock.advance(10 * deniedMs)
    expect(said).to.deep.equal([])
    watch.stop()
  })

  it('holds on to the block that was denied first, whatever comes later', async () => {
    const { clock, said, watch } = watching([4n, 4n, 1n, 1n])
    watch.hold(blocks[1]!)
    await clock.advance(deniedMs - 1000)
    watch.hold(blocks[2]!)
    await clock.advance(2000)
    expect(said[0]).to.include('do not have block 1')
    watch.stop()
  })
})

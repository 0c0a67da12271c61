import { decodeMessage } from '../../src/wire/codec.ts'
import { Encoder } from '../../src/wire/encoder.ts'
import { decodeFrame, frameOf } from '../../src/wire/frame.ts'
import type { Network, Replica } from '../../src/index.ts'
import { unheard } from './cores.ts'

/** A network on which others answer at once whoever asks, after a start, what they heard from it: nothing. */
export function echoing(network: Network, asker: () => Pick<Replica, 'receive'>): Network {
  return {
    send: (to, frame) => {
      for (const bytes of decodeFrame(frame)) {
        const incoming = decodeMessage(bytes)
        if (incoming.type !== 'plain' || incoming.message.type !== 'status') continue
        const { query, ...where } = incoming.message
        const digests: string[] = []
        const answer = { ...where, digests, slots: [], ...unheard, query: 0n, echo: query }
        const reply = frameOf(new Encoder().message(answer))
        if (query !== 0n)
          queueMicrotask(() => {
            void asker().receive(to, reply)
          })
      }
      return network.send(to, frame)
    },
  }
}

import { isCodedError } from '@heddle/interface'
import { VirtualClock } from '@heddle/events/testing'
import { PubSub, type PubSubOptions } from '../../src/index.ts'

/** A broker on a clock that stands still. */
export function broker(options?: PubSubOptions): { clock: VirtualClock; pubsub: PubSub<unknown> } {
  const clock = new VirtualClock()
  return { clock, pubsub: new PubSub<unknown>({ clock }, options) }
}

/** The code with which `action` fails, at once or later. */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    return isCodedError(error) ? error.code : String(error)
  }
  return 'no error'
}

import { ClientError } from './errors.ts'
import { orClock } from './own-clock.ts'
import type { AbortOptions, Clock } from '@heddle/interface'
import type { Monitor } from './monitor.ts'
import type { NetworkClient } from './network-client.ts'

/**
 * From which block on what is submitted from now on can stand: f + 1 validators say that the chain has the one
 * before it, or that one.
 *
 * @throws {ClientError} CLIENT_TOO_FEW_ANSWERS, CLIENT_FORBIDDEN, CLIENT_WRONG_CLOCK; the reason of `signal`
 */
export async function startHeight(
  client: Pick<NetworkClient, 'validators'>,
  { monitor, clock }: { readonly monitor: Monitor; readonly clock: Clock },
  options: AbortOptions = {},
): Promise<bigint> {
  await monitor.ask(options)
  const { height, answered } = monitor
  if (height !== undefined) return height > 0n ? height - 1n : 0n
  const what = `${answered} of ${client.validators.length} validators answer`
  const error = monitor.refusal ?? new ClientError('CLIENT_TOO_FEW_ANSWERS', what)
  throw await orClock(client, error, clock)
}

import { signTransaction } from '@heddle/client'
import { createBroadcastClient } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import type { NetworkClient } from '@heddle/client'
import type { CorpusCall } from './corpus.ts'

/** Most transactions under way. */
const window = 200

/** Signs and sends calls as they are, however odd. Resolves when a durable block holds each. */
export async function submitCalls(
  { channelId, endpoints, signer, tls }: NetworkClient,
  calls: readonly CorpusCall[],
): Promise<void> {
  const client = createBroadcastClient({ clock: systemClock }, { endpoints, tls, window })
  await client.start()
  try {
    for (let from = 0; from < calls.length; from += window) {
      await Promise.all(
        calls.slice(from, from + window).map(async (call) => {
          const { bytes } = await signTransaction(signer, systemClock, { channelId, ...call })
          await client.submit(bytes)
        }),
      )
    }
  } finally {
    await client.stop()
  }
}

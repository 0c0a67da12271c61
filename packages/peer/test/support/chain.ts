import { pullBlocks } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { transactionsOf } from '../../src/network/block-transactions.ts'
import type { NetworkClient } from '../../src/network/client.ts'

/**
 * How often each transaction stands in the chain of one validator. Every block is verified on the
 * way: number, previous hash, data hash, signatures of a quorum.
 */
export async function transactionCounts(
  client: NetworkClient,
  address: string,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const blocks = pullBlocks(
    { signer: client.signer, clock: systemClock },
    {
      channelId: client.descriptor.channelId,
      endpoints: client.endpoints.filter((each) => each.address === address),
      onlyGiven: true,
      configBlock: client.genesis,
      tls: client.tls,
      from: 1n,
    },
  )
  for await (const { message } of blocks) {
    for (const { txId } of transactionsOf(message)) counts.set(txId, (counts.get(txId) ?? 0) + 1)
  }
  return counts
}

import { transactionsOf } from '@heddle/client'
import { pullBlocks } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { readSignedHeader, signedHeaderOf } from '../../src/node/fork.ts'
import type { NetworkClient } from '@heddle/client'

/**
 * The blocks of one validator behind the genesis block. Each is verified on the way: number, previous
 * hash, data hash, signatures of a quorum.
 */
function blocksOf(client: NetworkClient, address: string): ReturnType<typeof pullBlocks> {
  return pullBlocks(
    { signer: client.signer, clock: systemClock },
    {
      channelId: client.channelId,
      endpoints: client.endpoints.filter((each) => each.address === address),
      onlyGiven: true,
      configBlock: client.genesis,
      tls: client.tls,
      from: 1n,
    },
  )
}

/** How often each transaction stands in the chain of one validator. */
export async function transactionCounts(
  client: NetworkClient,
  address: string,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for await (const { message } of blocksOf(client, address)) {
    for (const { txId } of transactionsOf(message)) counts.set(txId, (counts.get(txId) ?? 0) + 1)
  }
  return counts
}

/** The validators whose signature is in any block of one's chain: a block needs a quorum only. */
export async function blockSigners(client: NetworkClient, address: string): Promise<Set<string>> {
  const signers = new Set<string>()
  const { validators } = client
  for await (const { message } of blocksOf(client, address)) {
    const signed = signedHeaderOf(message)
    const ids = signed === undefined ? [] : readSignedHeader(signed).signers
    for (const id of ids) signers.add(validators[id]!.name)
  }
  return signers
}

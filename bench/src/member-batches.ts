// The batches that validators have in their logs, as whoever may read the blocks knows them.
import { createHash } from 'node:crypto'
import { pullBlocks } from '@heddle/deliver'
import { systemClock as clock } from '@heddle/events'
import { loadSigningIdentity } from '@heddle/msp'
import { common, decode, heddle } from '@heddle/proto'
import type { Attack } from './intruders.ts'
import type { Known } from './member-words.ts'

/** What one member may have fetched in a second. */
const fetchable = { batches: 100, bytes: 16 * 1024 * 1024 }

interface Batch extends Known {
  readonly bytes: number
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

function batchOf(block: common.Block): Batch {
  const requests = block.data?.data ?? []
  const signed = decode(common.MetadataSchema, block.metadata!.metadata[0]!).value
  const { consenterMetadata } = decode(common.OrdererBlockMetadataSchema, signed)
  const { sequence } = decode(heddle.BlockProofSchema, consenterMetadata)
  const digest = sha256(Buffer.concat(requests.map(sha256)))
  return { sequence, digest, bytes: requests.reduce((sum, { length }) => sum + length, 0) }
}

/** Follows the chain as a client that is permitted. */
export class Batches {
  #last: Batch[] = []

  /** Begins with the block of this number; never ends. */
  async follow(client: Attack, genesis: Uint8Array, from: bigint): Promise<void> {
    const { channelId, msp, mspId, targets } = client
    const { certificate, key } = client.tls
    const endpoints = targets.map(({ address, roots }) => ({
      ...{ address, roots: [Buffer.from(roots)], serverName: 'localhost' },
    }))
    const tls = { certificate: Buffer.from(certificate), key: Buffer.from(key) }
    const signer = await loadSigningIdentity(msp, mspId)
    const blocks = pullBlocks(
      { signer, clock },
      { channelId, configBlock: genesis, endpoints, tls, from, follow: true },
    )
    for await (const { message } of blocks)
      this.#last = [batchOf(message), ...this.#last].slice(0, fetchable.batches)
  }

  /** The last that are above the low watermark, as many as may be fetched. */
  above(low: bigint): Batch[] {
    let bytes = 0
    return this.#last.filter(({ sequence, bytes: more }) => {
      if (sequence <= low || bytes + more > fetchable.bytes) return false
      bytes += more
      return true
    })
  }
}

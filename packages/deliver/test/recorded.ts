import { readFileSync, readdirSync } from 'node:fs'
import { type Received, common, receive } from '@heddle/proto'

/** The recorded networks; see fixtures/README.md. */
export type Network = 'raft-v2.5.16' | 'bft-v3.1.5'

/** Both recorded networks. */
export const networks: readonly Network[] = ['raft-v2.5.16', 'bft-v3.1.5']

/** The encoded blocks of a recorded network, in order. */
export function recordedBytes(network: Network): Uint8Array[] {
  const dir = new URL(`fixtures/${network}/`, import.meta.url)
  const names = readdirSync(dir).filter((name) => name.endsWith('.block'))
  return names.sort().map((name) => Uint8Array.from(readFileSync(new URL(name, dir))))
}

/** The blocks of a recorded network, in order. */
export function recorded(network: Network): Received<common.Block>[] {
  return recordedBytes(network).map((bytes) => receive(common.BlockSchema, bytes))
}

import { X509Certificate } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'

/** The recorded networks: folders of test/fixtures. */
export const networks = ['raft-v2.5.16', 'bft-v3.1.5'] as const

export interface TransactionFacts {
  readonly type: number
  readonly txId: string
  readonly creator: string
  readonly validationCode: number
}

export interface BlockFacts {
  readonly number: number
  readonly hash: string
  readonly dataHash: string
  readonly transactions: readonly TransactionFacts[]
}

export interface Frame {
  readonly dir: 'in' | 'out'
  readonly where: 'client' | 'server'
  readonly kind: string
  readonly hex: string
}

export function fixture(path: string): Buffer {
  return readFileSync(new URL(`../fixtures/${path}`, import.meta.url))
}

export function manifest(network: string): readonly BlockFacts[] {
  const file = JSON.parse(fixture(`${network}/manifest.json`).toString()) as {
    blocks: BlockFacts[]
  }
  return file.blocks
}

/** Paths of all recorded blocks, as the orderer delivers and as the peer keeps them. */
export function blockFiles(network: string): string[] {
  const folder = new URL(`../fixtures/${network}/`, import.meta.url)
  return ['orderer', 'peer'].flatMap((from) =>
    readdirSync(new URL(from, folder))
      .sort()
      .map((file) => `${network}/${from}/${file}`),
  )
}

export function frames(path: string): readonly Frame[] {
  return (JSON.parse(fixture(path).toString()) as { frames: Frame[] }).frames
}

export const gossipFiles = [
  'raft-v2.5.16/gossip.json',
  'bft-v3.1.5/gossip.json',
  'bft-v3.1.5/gossip-member.json',
]

export function tlsCertificates(network: string): X509Certificate[] {
  return ['peer0', 'peer1', 'peer2'].map(
    (peer) => new X509Certificate(fixture(`${network}/tls/${peer}.crt`)),
  )
}

import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { PeerError, messageOf, systemCode } from '../errors.ts'
import { naming, systemCauseOf } from '../system-error.ts'

/** A validator of a network on this machine. Paths are relative to the network's folder. */
export interface ValidatorDescriptor {
  /** Replica id, from 0. */
  readonly id: number
  readonly name: string
  readonly mspId: string
  /** Process id while it runs. */
  readonly pid?: number
  /** `host:port` of each listener. */
  readonly gossip: string
  readonly orderer: string
  readonly operations: string
  readonly config: string
  readonly log: string
  /** CA certificates for its TLS certificate, PEM. */
  readonly tlsRoots: string
}

/** `network.json`: what other terminals need to know about a network. */
export interface NetworkDescriptor {
  readonly channelId: string
  /** Process of `network up` while it runs. */
  readonly pid?: number
  readonly genesis: string
  readonly validators: readonly ValidatorDescriptor[]
  readonly client: {
    readonly mspId: string
    readonly msp: string
    readonly tlsCertificate: string
    readonly tlsKey: string
  }
}

const fileName = 'network.json'

/** Writes the descriptor, at once: a reader gets the old one or the new one. */
export async function writeDescriptor(dir: string, descriptor: NetworkDescriptor): Promise<void> {
  const path = join(dir, fileName)
  await naming(path, writeFile(`${path}.new`, `${JSON.stringify(descriptor, null, 2)}\n`))
  await rename(`${path}.new`, path)
}

/** The descriptor in a folder, or undefined when there is none. */
export async function findDescriptor(dir: string): Promise<NetworkDescriptor | undefined> {
  const path = join(dir, fileName)
  try {
    return JSON.parse(await readFile(path, 'utf8')) as NetworkDescriptor
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw (
      systemCauseOf(error, path) ??
      new PeerError('PEER_INVALID_CONFIG', `${path}: ${messageOf(error)}`, {
        cure: 'remove the file; `heddle network up` writes it again',
        cause: error,
      })
    )
  }
}

/**
 * The descriptor in a folder.
 * @throws {PeerError} PEER_NETWORK_NOT_RUNNING when there is no network
 */
export async function readDescriptor(dir: string): Promise<NetworkDescriptor> {
  const descriptor = await findDescriptor(dir)
  if (descriptor !== undefined) return descriptor
  throw new PeerError('PEER_NETWORK_NOT_RUNNING', `no network in ${resolve(dir)}`, {
    cure: 'start one with `heddle network up`, or name its folder with --dir',
  })
}

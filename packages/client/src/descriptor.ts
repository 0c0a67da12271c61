import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf } from '@heddle/interface'
import { ClientError } from './errors.ts'

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

/** `network.json`: what other programs need to know about a network on this machine. */
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

/** The file in the folder of a network. */
export const descriptorFile = 'network.json'

/**
 * The descriptor in the folder of a network.
 *
 * @throws {ClientError} CLIENT_NO_NETWORK when there is none, CLIENT_INVALID_DESCRIPTOR; what the operating
 * system refuses, as it says it
 */
export async function readDescriptor(folder: string): Promise<NetworkDescriptor> {
  const path = join(folder, descriptorFile)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new ClientError('CLIENT_NO_NETWORK', `no network in ${resolve(folder)}`, { cause: error })
  })
  try {
    return JSON.parse(text) as NetworkDescriptor
  } catch (cause) {
    throw new ClientError('CLIENT_INVALID_DESCRIPTOR', `${path}: ${messageOf(cause)}`, { cause })
  }
}

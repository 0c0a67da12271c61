import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@heddle/events'
import { messageOf } from '@heddle/interface'
import { loadSigningIdentity, readTls } from '@heddle/msp'
import { ClientError } from './errors.ts'
import { ReaderEnvelope } from './reader-envelope.ts'
import { ValidatorClient } from './validator-client.ts'
import type { ClientTls, Endpoint, EnvelopeSigner } from '@heddle/deliver'
import type { Clock } from '@heddle/interface'
import type { SigningIdentity, TlsNames } from '@heddle/msp'
import type { NetworkDescriptor } from './descriptor.ts'

/** The name in the TLS certificates of validators on this machine. */
const serverName = 'localhost'

/** What a client needs: who it is, what it trusts, and how to reach the validators. */
export interface NetworkClient<Signer extends EnvelopeSigner = EnvelopeSigner> {
  readonly channelId: string
  /** Bytes of the block that is trusted: it says who the validators are. */
  readonly genesis: Uint8Array
  readonly signer: Signer
  readonly tls: ClientTls
  /** Broadcast and Deliver services, for @heddle/deliver, in the order of `validators`. */
  readonly endpoints: readonly Endpoint[]
  /** By replica id. */
  readonly validators: readonly ValidatorClient[]
  close(): void
}

/** Where a validator is, whom it is taken for, and what its TLS material is called in messages. */
interface Reached extends Endpoint {
  readonly name: string
  readonly names?: TlsNames
}

/** A {@link NetworkClient} but for its connections. */
export interface ClientParts<Signer extends EnvelopeSigner> {
  readonly channelId: string
  readonly genesis: Uint8Array
  readonly signer: Signer
  readonly tls: ClientTls
  readonly validators: readonly Reached[]
}

/**
 * A client of these validators. Connects to nobody yet.
 * @throws {MspError} MSP_INVALID_TLS
 */
export function clientOf<Signer extends EnvelopeSigner>(
  parts: ClientParts<Signer>,
  clock: Clock,
): NetworkClient<Signer> {
  const { channelId, genesis, signer, tls } = parts
  const reader = new ReaderEnvelope({ channelId, signer, tls, clock })
  const validators = parts.validators.map(({ names, roots, ...endpoint }) => {
    const { context } = readTls({ ...tls, roots }, names)
    return new ValidatorClient(endpoint, context, reader)
  })
  const endpoints = parts.validators.map(({ address, roots, serverName: name }) => ({
    ...{ address, roots },
    ...(name !== undefined && { serverName: name }),
  }))
  const close = (): void => {
    for (const validator of validators) validator.close()
  }
  return { channelId, genesis, signer, tls, endpoints, validators, close }
}

/** A service would only say FORBIDDEN to whoever signs with a certificate that it does not take. */
async function readSigner(mspDir: string, mspId: string): Promise<SigningIdentity> {
  try {
    return await loadSigningIdentity(mspDir, mspId)
  } catch (cause) {
    throw new ClientError('CLIENT_WRONG_CERTIFICATE', messageOf(cause), { cause })
  }
}

/**
 * A client of a network on this machine, with the material that its descriptor names. Connects to nobody yet.
 *
 * @throws {ClientError} CLIENT_WRONG_CERTIFICATE when its own certificate or key will not do
 */
export async function openClient(
  folder: string,
  descriptor: NetworkDescriptor,
  clock: Clock = systemClock,
): Promise<NetworkClient<SigningIdentity>> {
  const { channelId, client } = descriptor
  const { tlsCertificate: certificate, tlsKey: key } = client
  const at = (path: string): Promise<Buffer> => readFile(join(folder, path))
  const tls = { certificate: await at(certificate), key: await at(key) }
  const signer = await readSigner(join(folder, client.msp), client.mspId)
  const validators = await Promise.all(
    descriptor.validators.map(async ({ name, orderer, tlsRoots }) => ({
      ...{ name, address: orderer, serverName, roots: [await at(tlsRoots)] },
      names: { certificate, key, roots: tlsRoots },
    })),
  )
  const genesis = await at(descriptor.genesis)
  return clientOf({ channelId, genesis, signer, tls, validators }, clock)
}

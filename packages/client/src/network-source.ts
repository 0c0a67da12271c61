import { channelConfigOf } from '@heddle/channel'
import { messageOf, unknownOption } from '@heddle/interface'
import { common, decode } from '@heddle/proto'
import { readDescriptor } from './descriptor.ts'
import { ClientError } from './errors.ts'
import { clientOf, openClient } from './network-client.ts'
import type { ClientTls, Endpoint, EnvelopeSigner } from '@heddle/deliver'
import type { Clock } from '@heddle/interface'
import type { NetworkClient } from './network-client.ts'

/** A network on this machine, as `heddle network up` writes it: its folder has a `network.json`. */
export interface FolderSource {
  readonly folder: string
}

/** One validator of a network. */
export interface ValidatorAddress extends Endpoint {
  /** For people. Default: its address. */
  readonly name?: string
}

/** A network by its validators, who one is, and what is trusted. */
export interface AddressSource {
  /** All of them, in the order of their consenter ids: how many may lie follows from their number. */
  readonly validators: readonly ValidatorAddress[]
  /** Bytes of the channel's genesis block: what it says is trusted. */
  readonly genesis: Uint8Array
  /** Signs transactions and requests; `SigningIdentity` of @heddle/msp is one. */
  readonly signer: EnvelopeSigner
  /** What is shown to TLS. */
  readonly tls: ClientTls
}

/** Which network. */
export type NetworkSource = FolderSource | AddressSource

const addressOptions = ['validators', 'genesis', 'signer', 'tls']

function invalid(what: string, cause?: unknown): ClientError {
  return new ClientError('CLIENT_INVALID_OPTIONS', what, { cause })
}

/**
 * A client of the network that is meant. Connects to nobody yet.
 *
 * @throws {ClientError} CLIENT_INVALID_OPTIONS, CLIENT_NO_NETWORK, CLIENT_INVALID_DESCRIPTOR,
 * CLIENT_WRONG_CERTIFICATE; {@link MspError} MSP_INVALID_TLS
 */
export async function openNetwork(source: NetworkSource, clock: Clock): Promise<NetworkClient> {
  const known = 'folder' in source ? ['folder'] : addressOptions
  const unknown = unknownOption(source, known)
  if (unknown !== undefined) throw invalid(unknown)
  if ('folder' in source)
    return openClient(source.folder, await readDescriptor(source.folder), clock)
  const { channelId, consenters } = trusted(source.genesis)
  refuseOthers(source.validators, consenters)
  const validators = source.validators.map((each) => ({ ...each, name: each.name ?? each.address }))
  return clientOf({ ...source, channelId, validators }, clock)
}

function trusted(genesis: Uint8Array): { readonly channelId: string; readonly consenters: number } {
  try {
    const { channelId, consenters } = channelConfigOf(decode(common.BlockSchema, genesis))
    return { channelId, consenters: consenters.size }
  } catch (cause) {
    throw invalid(`genesis: ${messageOf(cause)}`, cause)
  }
}

/** f + 1 of fewer, or of one that is named twice, would be no proof. */
function refuseOthers(validators: readonly ValidatorAddress[], consenters: number): void {
  if (validators.length !== consenters)
    throw invalid(`validators: ${validators.length} are named; the genesis block has ${consenters}`)
  const addresses = validators.map(({ address }) => address)
  const twice = addresses.find((each, index) => addresses.indexOf(each) !== index)
  if (twice !== undefined) throw invalid(`validators: ${twice} is named twice`)
}

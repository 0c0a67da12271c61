// The place of a validator among the others, with its real keys, as a hostile process takes it.
import { createComm } from '@heddle/comm'
import { systemClock as clock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import { loadSigningIdentity, pkiIdOf, type SigningIdentity } from '@heddle/msp'
import { loadConfig, PeerNetwork } from '@heddle/peer'
import { readFileSync } from 'node:fs'
import type { Attack } from './intruders.ts'

/** What the process in a validator's place is told. */
export interface Takeover {
  readonly replica: number
  /** Its configuration file. */
  readonly config: string
  readonly others: readonly Other[]
  /** A client that is permitted: it signs what is forwarded, and reads blocks. */
  readonly client: Attack
}

/** Another validator. */
export interface Other {
  readonly replica: number
  readonly config: string
  /** `host:port` of its metrics. */
  readonly operations: string
}

/** Connected with the others, and deaf. */
export interface Place {
  readonly signer: SigningIdentity
  readonly genesis: Uint8Array
  readonly network: PeerNetwork
}

async function identityOf(file: string): Promise<SigningIdentity> {
  const config = await loadConfig(file, {})
  return loadSigningIdentity(config['peer.mspConfigPath'], config['peer.localMspId'])
}

/** It believes everybody. */
function credulous(signer: SigningIdentity) {
  const nothing = (): undefined => undefined
  return {
    pkiIdOf,
    certificateDigest: pkiIdOf,
    ...{ validateIdentity: nothing, verify: nothing, verifyByChannel: nothing },
    expiration: nothing,
    sign: (message: Uint8Array) => signer.sign(message),
    orgOf: () => Buffer.from('any'),
  }
}

/** Takes the place of the validator whose configuration this is; what comes is never read. */
export async function takePlace({ config: file, others, client }: Takeover): Promise<Place> {
  const config = await loadConfig(file, {})
  const signer = await identityOf(file)
  const crypto = credulous(signer)
  const mapper = createIdentityMapper(
    { crypto, advisor: crypto, clock },
    { selfIdentity: signer.serialized },
  )
  const comm = createComm(
    { mapper, clock },
    {
      listen: config['peer.listenAddress'],
      tls: {
        certificate: readFileSync(config['peer.tls.cert.file'], 'utf8'),
        key: readFileSync(config['peer.tls.key.file'], 'utf8'),
        roots: client.targets.map(({ roots }) => roots),
      },
      identity: signer.serialized,
      recvBufferSize: 1,
      sendBufferSize: 200,
    },
  )
  const peers = await Promise.all(
    others.map(async ({ replica, config: theirs }) => {
      const endpoint = config.validators[replica]!.gossip
      return { replica, endpoint, pkiId: pkiIdOf((await identityOf(theirs)).serialized)! }
    }),
  )
  const network = new PeerNetwork({ comm, channelId: client.channelId, peers })
  network.listen({ consensus: () => new Promise(() => undefined) })
  await comm.start()
  return { signer, genesis: readFileSync(config['general.genesisFile']), network }
}

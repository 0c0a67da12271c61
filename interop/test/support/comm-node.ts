import { readFile } from 'node:fs/promises'
import { type Comm, type ReceivedMessage, createComm } from '@heddle/comm'
import { systemClock } from '@heddle/events'
import { type Mapper, createIdentityMapper } from '@heddle/identity'
import {
  type SigningIdentity,
  createMessageCryptoService,
  loadMsp,
  loadSigningIdentity,
} from '@heddle/msp'
import type { PeerIdentity } from './fabric-peer.ts'

/** A Heddle Comm that runs, and what it received. */
export class CommNode {
  readonly comm: Comm
  readonly mapper: Mapper
  readonly signer: SigningIdentity
  readonly received: ReceivedMessage[] = []

  private constructor(comm: Comm, mapper: Mapper, signer: SigningIdentity) {
    this.comm = comm
    this.mapper = mapper
    this.signer = signer
    comm.onMessage(
      () => true,
      (message) => {
        this.received.push(message)
      },
    )
  }

  /** Starts one on a free loopback port, with an identity from files. */
  static async start({ mspId, mspDir, tls }: PeerIdentity): Promise<CommNode> {
    const localMsp = await loadMsp(mspDir, mspId)
    const signer = await loadSigningIdentity(mspDir, mspId)
    const crypto = createMessageCryptoService({ localMsp, signer })
    const mapper = createIdentityMapper(
      { crypto, advisor: crypto, clock: systemClock },
      { selfIdentity: signer.serialized },
    )
    const pem = (path: string): Promise<string> => readFile(path, 'utf8')
    const comm = createComm(
      { mapper, clock: systemClock },
      {
        listen: { host: '127.0.0.1', port: 0 },
        tls: {
          certificate: await pem(tls.certificate),
          key: await pem(tls.key),
          roots: [await pem(tls.roots)],
        },
        identity: signer.serialized,
      },
    )
    await comm.start()
    return new CommNode(comm, mapper, signer)
  }

  /** The first received message of a kind. */
  find(kind: ReceivedMessage['message']['content']['case']): ReceivedMessage | undefined {
    return this.received.find(({ message }) => message.content.case === kind)
  }

  stop(): Promise<void> {
    return this.comm.stop()
  }
}

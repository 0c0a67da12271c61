import { createComm } from '@heddle/comm'
import { systemClock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import { createMessageCryptoService, pkiIdOf } from '@heddle/msp'
import { create, encode, pbft } from '@heddle/proto'
import { PeerNetwork } from '../../src/index.ts'
import { loadConfig } from '../../src/config/load.ts'
import { readMaterial } from '../../src/node/material.ts'
import { eventually } from './eventually.ts'
import { RecordingLogger } from './recording-logger.ts'
import type { Comm } from '@heddle/comm'
import type { Material } from '../../src/node/material.ts'
import type { Validators } from './validators.ts'

/** Most frames that are sent to one validator before its patience must be at an end. */
const maxFrames = 20_000

/** A frame of messages of the consensus. */
export function frameOf(payload: pbft.Message['payload'], count: number): Uint8Array {
  const messages = Array(count).fill({ payload }) as pbft.Message[]
  return encode(pbft.FrameSchema, create(pbft.FrameSchema, { messages }))
}

/** A validator with its own keys and in its own place that says to the others what a test wants. */
export class Member {
  readonly #comm: Comm
  readonly #network: PeerNetwork
  readonly #others: readonly number[]
  readonly material: Material

  private constructor(
    material: Material,
    parts: { comm: Comm; network: PeerNetwork; others: number[] },
  ) {
    this.material = material
    this.#comm = parts.comm
    this.#network = parts.network
    this.#others = parts.others
  }

  /** In the place of a validator whose process does not run; connected with all others. */
  static async open(validators: Validators, name: string): Promise<Member> {
    const config = await loadConfig(validators.config(name), {})
    const material = await readMaterial(config, new RecordingLogger())
    const { channel, signer, msp, replica } = material
    const readers = channel.rules.policy('/Channel/Readers')
    const channelMsps = new Map([[channel.channelId, { msps: channel.rules.msps, readers }]])
    const crypto = createMessageCryptoService({ localMsp: msp, signer, channelMsps })
    const clock = systemClock
    const mapper = createIdentityMapper(
      { crypto, advisor: crypto, clock },
      { selfIdentity: signer.serialized },
    )
    const { tlsCertificate: certificate, tlsKey: key, tlsRoots: roots } = material
    const comm = createComm(
      { mapper, clock },
      {
        listen: config['peer.listenAddress'],
        tls: { certificate, key, roots },
        identity: signer.serialized,
        redialDelayMs: 50,
      },
    )
    const peers = config.validators.flatMap(({ id, gossip: endpoint }) => {
      const pkiId = pkiIdOf(channel.consenters[id]!.identity)!
      return id === replica ? [] : [{ replica: id, endpoint, pkiId }]
    })
    const network = new PeerNetwork({ comm, channelId: channel.channelId, peers })
    network.listen({ consensus: () => undefined })
    await comm.start()
    const others = peers.map((peer) => peer.replica)
    const member = new Member(material, { comm, network, others })
    await eventually(`${name} is connected`, async () => {
      const hello = frameOf(
        { case: 'status', value: create(pbft.StatusSchema, { active: true }) },
        1,
      )
      await Promise.all(others.map((to) => network.consensus.send(to, hello)))
      return network.connected === others.length
    })
    return member
  }

  /** Sends a frame to all others, again and again, until none of them has a connection for it. */
  async repeat(frame: Uint8Array): Promise<void> {
    await Promise.all(this.#others.map((to) => this.#repeat(to, frame)))
  }

  async close(): Promise<void> {
    this.#network.close()
    await this.#comm.stop({ signal: AbortSignal.abort() })
  }

  async #repeat(to: number, frame: Uint8Array): Promise<void> {
    for (let sent = 0; sent < maxFrames; sent++) {
      try {
        await this.#network.consensus.send(to, frame)
      } catch {
        return
      }
    }
    throw new RangeError(`validator${to} takes everything`)
  }
}

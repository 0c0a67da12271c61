import { systemClock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import type { Mapper, MapperOptions } from '@heddle/identity'
import type { Clock } from '@heddle/interface'
import { RecordingLogger, RecordingMetrics } from '@heddle/interface/testing'
import {
  createMessageCryptoService,
  MspManager,
  nOutOfPolicy,
  signaturePolicy,
  rolePrincipal,
} from '@heddle/msp'
import type { MessageCrypto, MessageCryptoDeps, SigningIdentity } from '@heddle/msp'
import { createTestOrganization } from '@heddle/msp/testing'
import type { TestOrganization, TlsMaterial } from '@heddle/msp/testing'
import { create, gossip } from '@heddle/proto'
import { createComm } from '../../src/index.ts'
import type { Comm, CommDeps, CommOptions, ReceivedMessage, RemotePeer } from '../../src/index.ts'

/** The organisations of the tests; made once, because certificates take time. */
let made: Promise<{ a: TestOrganization; b: TestOrganization }> | undefined

export function organizations(): Promise<{ a: TestOrganization; b: TestOrganization }> {
  made ??= (async () => ({
    a: await createTestOrganization({ mspId: 'OrgA' }),
    b: await createTestOrganization({ mspId: 'OrgB' }),
  }))()
  return made
}

/** One node under test. */
export interface Node {
  readonly comm: Comm
  readonly mapper: Mapper
  readonly signer: SigningIdentity
  readonly tls: TlsMaterial
  readonly logger: RecordingLogger
  readonly metrics: RecordingMetrics
  /** From now on it takes this identity for revoked. */
  readonly revoke: (identity: Uint8Array) => void
  /** As others dial it. */
  readonly peer: RemotePeer & { readonly pkiId: Uint8Array }
}

export interface NodeOptions extends Partial<Omit<CommOptions, 'tls' | 'identity'>> {
  readonly proxyFor?: CommDeps['proxyFor']
  readonly organization?: 'a' | 'b'
  readonly clock?: Clock
  readonly tls?: Partial<CommOptions['tls']>
  readonly start?: boolean
  /** Of an earlier node, to be the same peer again, or who it is meant to be. */
  readonly as?: Partial<Pick<Node, 'signer' | 'tls'>>
  /** Starts the mapper with these options; without them it has no timer. */
  readonly mapper?: Partial<MapperOptions>
}

const patient = { dialTimeoutMs: 25_000, connTimeoutMs: 25_000, setupTimeoutMs: 60_000 }

// On a virtual clock the answer to a ping, which takes real time, always comes late.
const unpinged = { pingAfterMs: 2 ** 31 - 1 }

/** What {@link NodeOptions} has besides the options of a comm. */
const ofNode = ['proxyFor', 'organization', 'clock', 'tls', 'start', 'as', 'mapper']

function commOptionsOf(options: NodeOptions): Partial<CommOptions> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !ofNode.includes(name)))
}

const running = new Set<Comm>()
const mappers = new Set<Mapper>()

/** Stops every node that a test has made; call it in `afterEach`. */
export async function stopNodes(): Promise<void> {
  const cut = AbortSignal.abort()
  await Promise.all([...running].map((comm) => comm.stop({ signal: cut })))
  await Promise.all([...mappers].map((mapper) => mapper.stop()))
  running.clear()
  mappers.clear()
}

/** Makes and starts a node, a member of a channel of both organisations. */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  const orgs = await organizations()
  const organization = orgs[options.organization ?? 'a']
  const signer = options.as?.signer ?? (await organization.identity('peer', 'peer'))
  const tls = options.as?.tls ?? (await organization.tls('peer'))
  const clock = options.clock ?? systemClock
  const crypto = await cryptoOf(organization, signer)
  const mapper = await startMapper({ crypto, clock, signer }, options.mapper)
  const logger = new RecordingLogger()
  const metrics = new RecordingMetrics()
  const comm = createComm(
    { mapper, clock, logger, metrics, ...(options.proxyFor && { proxyFor: options.proxyFor }) },
    {
      listen: { host: 'localhost', port: 0 },
      // On the real clock nothing may hang on how busy the machine is.
      ...(options.clock === undefined ? patient : unpinged),
      ...commOptionsOf(options),
      tls: {
        certificate: tls.certificate,
        key: tls.key,
        roots: [orgs.a.tlsCa.certificate, orgs.b.tlsCa.certificate],
        ...options.tls,
      },
      identity: signer.serialized,
    },
  )
  running.add(comm)
  if (options.start ?? true) await comm.start()
  const peer = { endpoint: comm.address, pkiId: signer.pkiId }
  const { revoke } = crypto
  return { comm, mapper, signer, tls, logger, metrics, revoke, peer }
}

type RevokingCrypto = MessageCrypto & { readonly revoke: (identity: Uint8Array) => void }

/** What a node of a channel of both organisations judges by. */
async function cryptoOf(
  { msp: localMsp }: TestOrganization,
  signer: SigningIdentity,
): Promise<RevokingCrypto> {
  const { a, b } = await organizations()
  const msps = new MspManager([a.msp, b.msp])
  const principals = ['OrgA', 'OrgB'].map((mspId) => rolePrincipal(mspId, 'member'))
  const readers = signaturePolicy(nOutOfPolicy(1, principals), msps)
  return revoking({ localMsp, signer, channelMsps: new Map([['channel', { msps, readers }]]) })
}

/** Without options it is not started, and has no timer. */
async function startMapper(
  of: { crypto: MessageCrypto; clock: Clock; signer: SigningIdentity },
  options: NodeOptions['mapper'],
): Promise<Mapper> {
  const { crypto, clock, signer } = of
  const mapper = createIdentityMapper(
    { crypto, advisor: crypto, clock },
    { selfIdentity: signer.serialized, ...options },
  )
  mappers.add(mapper)
  if (options !== undefined) await mapper.start()
  return mapper
}

/** A message crypto service that can be told who was revoked. */
function revoking(deps: MessageCryptoDeps): RevokingCrypto {
  const crypto = createMessageCryptoService(deps)
  const revoked = new Set<string>()
  const keyOf = (identity: Uint8Array): string => Buffer.from(identity).toString('hex')
  return {
    ...crypto,
    validateIdentity: (identity) => {
      if (revoked.has(keyOf(identity))) throw new RangeError('this identity was revoked')
      crypto.validateIdentity(identity)
    },
    revoke: (identity) => void revoked.add(keyOf(identity)),
  }
}

/** A data message whose number is its sequence. */
export function dataMessage(sequence: number | bigint, size = 4): gossip.GossipMessage {
  return create(gossip.GossipMessageSchema, {
    channel: Buffer.from('channel'),
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    content: {
      case: 'dataMsg',
      value: { payload: { seqNum: BigInt(sequence), data: Buffer.alloc(size) } },
    },
  })
}

/** The sequence of a {@link dataMessage}; undefined for any other. */
export function sequenceOf({ message }: ReceivedMessage): number | undefined {
  if (message.content.case !== 'dataMsg') return undefined
  return Number(message.content.value.payload?.seqNum)
}

export const all = (): boolean => true

/** Collects what a node receives. */
export class Inbox {
  readonly messages: ReceivedMessage[] = []
  readonly #waiting = new Set<() => void>()

  constructor(comm: Comm) {
    comm.onMessage(all, (message) => {
      this.messages.push(message)
      for (const resolve of this.#waiting) resolve()
      this.#waiting.clear()
    })
  }

  /** Resolves with the first `count` messages. */
  async take(count: number): Promise<ReceivedMessage[]> {
    while (this.messages.length < count) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    return this.messages.slice(0, count)
  }

  get sequences(): (number | undefined)[] {
    return this.messages.map(sequenceOf)
  }
}

/** Resolves when `condition` holds; checks after each turn of the event loop. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

// One replica, and another that floods it: what a megabyte of each kind of message costs.
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { VirtualClock } from '@heddle/events/testing'
import { createReplica, type Replica } from '@heddle/pbft'
import { MemoryJournal } from '@heddle/pbft/testing'
import { create, encode, pbft } from '@heddle/proto'
import { DigestMachine } from './digest-machine.ts'
import type { Figure } from './report.ts'

/** As much as a slow line carries; of a fast one more is held back. */
const bytesPerSecond = 500_000
const offeredBytes = 5_000_000
const frameBytes = 125_000
const flooder = 3
/** Of its requests: soon there is no room for more. */
const mostPending = 100

type Payload = pbft.Message['payload']

const pairs = Array.from({ length: 4 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }))
const signatureOf = (bytes: Uint8Array): Buffer => sign('sha256', bytes, pairs[flooder]!.privateKey)

function signed(body: Uint8Array, isGood = true): pbft.Signed {
  return create(pbft.SignedSchema, {
    body,
    signature: signatureOf(isGood ? body : Buffer.alloc(1)),
  })
}

const digest = Buffer.alloc(32, 1)

/** What a member can send, good and bad, the i-th of its kind. */
const kinds: Record<string, (i: number) => Payload> = {
  'empty messages': () => ({ case: undefined }),
  prepares: (i) => ({
    case: 'prepare',
    value: create(pbft.VoteSchema, { sequence: BigInt(1 + (i % 128)), digest }),
  }),
  'commits of a later view': (i) => ({
    case: 'commit',
    value: create(pbft.VoteSchema, { view: 9n, sequence: BigInt(1 + (i % 128)), digest }),
  }),
  'fetches of batches': (i) => ({
    case: 'fetchBatch',
    value: create(pbft.FetchBatchSchema, { sequence: BigInt(1 + (i % 128)), digest }),
  }),
  'small status messages': () => ({
    case: 'status',
    value: create(pbft.StatusSchema, { active: true }),
  }),
  'long status messages': () => ({
    case: 'status',
    value: create(pbft.StatusSchema, {
      active: true,
      slots: Array(128).fill({ prePrepared: true }) as pbft.Slot[],
    }),
  }),
  checkpoints: (i) => {
    const value = { sequence: BigInt(10 * (1 + (i % 12))), digest: Buffer.alloc(32, i), replica: 3 }
    const body = encode(pbft.CheckpointSchema, create(pbft.CheckpointSchema, value))
    return { case: 'checkpoint', value: signed(body) }
  },
  'checkpoints signed wrongly': () => {
    const value = { sequence: 10n, digest, replica: 3 }
    const body = encode(pbft.CheckpointSchema, create(pbft.CheckpointSchema, value))
    return { case: 'checkpoint', value: signed(body, false) }
  },
  'view changes': (i) => {
    const value = { view: BigInt(1 + i), replica: 3 }
    const body = encode(pbft.ViewChangeSchema, create(pbft.ViewChangeSchema, value))
    return { case: 'viewChange', value: signed(body) }
  },
  'new views': (i) => {
    const value = { view: BigInt(3 + 4 * i) }
    const body = encode(pbft.NewViewSchema, create(pbft.NewViewSchema, value))
    return { case: 'newView', value: signed(body) }
  },
  certificates: (i) => {
    const value = { sequence: BigInt(10 * (1 + (i % 12))), digest, replica: 3 }
    const body = encode(pbft.CheckpointSchema, create(pbft.CheckpointSchema, value))
    const checkpoints = Array.from({ length: 3 }, () => signed(body))
    return { case: 'certificate', value: create(pbft.CheckpointCertificateSchema, { checkpoints }) }
  },
  'pre-prepares of a backup': (i) => ({
    case: 'prePrepare',
    value: create(pbft.PrePrepareSchema, {
      sequence: BigInt(1 + (i % 128)),
      batch: { requests: Array.from({ length: 500 }, () => Buffer.alloc(40, i)) },
    }),
  }),
  batches: (i) => ({
    case: 'batch',
    value: create(pbft.BatchSchema, { requests: [Buffer.alloc(100, i)] }),
  }),
  'requests that have no room': (i) => ({ case: 'forward', value: goodRequest(i) }),
  'requests that are no good': (i) => ({ case: 'forward', value: Buffer.alloc(200, i % 255) }),
}

/** Frames of one kind, as long as a correct sender makes them, again and again. */
function framesOf(kind: (i: number) => Payload): Uint8Array[] {
  let made = 0
  return Array.from({ length: 8 }, () => {
    const messages: pbft.Message[] = []
    for (let bytes = 0; bytes < frameBytes; made += 1) {
      const message = create(pbft.MessageSchema, { payload: kind(made) })
      bytes += encode(pbft.MessageSchema, message).length + 2
      messages.push(message)
      if (messages.length >= 4096) break
    }
    return encode(pbft.FrameSchema, create(pbft.FrameSchema, { messages }))
  })
}

/** The i-th that counts as signed. */
function goodRequest(i: number): Buffer {
  const request = Buffer.alloc(200, good)
  request.writeUInt32BE(i, 1)
  return request
}

/** Requests cost what a signature does; those of the flooder are good only when they begin with {@link good}. */
class Checking extends DigestMachine {
  override check(request: Uint8Array): Promise<string> {
    const isGood = verify('sha256', request, pairs[0]!.publicKey, signatureOfNobody)
    if (!isGood && request[0] !== good) {
      return Promise.reject(new TypeError('not signed'))
    }
    return super.check(request)
  }
}
const good = 0xff
const signatureOfNobody = signatureOf(Buffer.alloc(1))

async function replicaToFlood(clock: VirtualClock): Promise<Replica> {
  const replica = createReplica(
    {
      network: { send: () => Promise.resolve() },
      journal: new MemoryJournal(),
      stateMachine: new Checking(),
      signer: { sign: (bytes) => sign('sha256', bytes, pairs[0]!.privateKey) },
      verifier: {
        verify: (id, bytes, signature) => verify('sha256', bytes, pairs[id]!.publicKey, signature),
      },
      clock,
    },
    { id: 0, n: 4, maxPoolRequests: mostPending },
  )
  await replica.start()
  return replica
}

/** CPU milliseconds for a megabyte that is offered; what is held back waits outside and costs nothing. */
async function costPerMegabyte(
  frames: readonly Uint8Array[],
  clock: VirtualClock,
  receive: (frame: Uint8Array) => PromiseLike<void> | undefined,
): Promise<number> {
  const before = process.cpuUsage()
  let isHeld = false
  for (let offered = 0, i = 0; offered < offeredBytes; i += 1) {
    const frame = frames[i % frames.length]!
    offered += frame.length
    const held = isHeld ? undefined : receive(frame)
    if (held !== undefined) {
      isHeld = true
      void held.then(() => (isHeld = false))
    }
    await nextTurn()
    await clock.advance((frame.length / bytesPerSecond) * 1_000)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e3 / (offeredBytes / 1e6)
}

export async function run(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const [name, kind] of Object.entries(kinds)) {
    const frames = framesOf(kind)
    const clock = new VirtualClock()
    const replica = await replicaToFlood(clock)
    const value = await costPerMegabyte(frames, clock, (frame) => replica.receive(flooder, frame))
    await replica.stop()
    figures.push({
      name: `flood of ${name}`,
      value,
      unit: 'ms of CPU a megabyte',
      limit: await costPerMegabyte(frames, clock, () => undefined),
      bar: { of: 'value', atMost: 50 },
    })
  }
  return figures
}

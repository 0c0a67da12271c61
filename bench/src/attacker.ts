// A client that is permitted and takes all that a validator gives: a process of its own, ended by its parent.
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { signedEnvelope, seekEnvelope, tlsCertificateHash } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity } from '@heddle/msp'
import { common, create, encode, heddle } from '@heddle/proto'
import type { Attack } from './intruders.ts'

/** More than are allowed of each: connections, streams of each, connections that never say hello. */
const connections = 80
const streamsEach = 4
const silentConnections = 300
/** The same envelope again and again, whose answers nobody reads: so long, so many a second. */
const envelopeBytes = 64 * 1024
const envelopesPerSecond = 20

process.on('disconnect', () => process.exit(0))
process.on('message', (message: Attack | 'count') => {
  if (message === 'count') tell()
  else void begin(message)
})

/** What the attacker has at all validators together. */
export interface Held {
  /** Connections with TLS and HTTP/2. */
  readonly connections: number
  /** Streams of blocks that have brought something, which is not read. */
  readonly streams: number
}

const open = new Set<ClientHttp2Session>()
const streams = new Set<ClientHttp2Stream>()

function tell(): void {
  const fed = [...streams].filter(({ readableLength }) => readableLength > 0).length
  process.send?.({ counted: { connections: open.size, streams: fed } satisfies Held })
}

function frameOf(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

async function begin(attack: Attack): Promise<void> {
  const { channelId, mspId, tls } = attack
  const signer = await loadSigningIdentity(attack.msp, mspId)
  const clock = systemClock
  const tlsCertHash = tlsCertificateHash(tls)
  const seek = await seekEnvelope({ channelId, signer, clock, start: 'oldest', tlsCertHash })
  const record = { id: 'again', text: 'x'.repeat(envelopeBytes) }
  const call = { contract: 'records', input: Buffer.from(JSON.stringify(record)) }
  const data = encode(heddle.TransactionSchema, create(heddle.TransactionSchema, call))
  const type = common.HeaderType.MESSAGE
  const envelope = await signedEnvelope({ channelId, type, data, signer, clock })
  for (const target of attack.targets) {
    holdSilent(target.address)
    for (let count = 0; count < connections; count++)
      holdUnread({ target, tls, seek: frameOf(seek), envelope: frameOf(envelope.bytes) })
  }
  process.send?.('begun')
}

/** Connections that begin no TLS, each opened again when it is closed. */
function holdSilent(address: string): void {
  const at = address.lastIndexOf(':')
  const open = (): void => {
    const socket = connectTcp(Number(address.slice(at + 1)), address.slice(0, at))
    socket.on('error', () => undefined)
    socket.on('close', () => setTimeout(open, 1000))
  }
  for (let count = 0; count < silentConnections; count++) open()
}

interface Unread {
  readonly target: Attack['targets'][0]
  readonly tls: Attack['tls']
  readonly seek: Buffer
  readonly envelope: Buffer
}

const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }

/** A connection with streams of which nothing is ever read, opened again when it is closed. */
function holdUnread(unread: Unread): void {
  const { target, tls, seek, envelope } = unread
  const session = connectHttp2(`https://${target.address}`, {
    ca: target.roots,
    cert: tls.certificate,
    key: tls.key,
    servername: 'localhost',
    settings: { initialWindowSize: 64 * 1024 },
  })
  session.on('error', () => undefined)
  session.on('remoteSettings', () => open.add(session))
  for (let count = 0; count < streamsEach; count++) holdStream(session, seek)
  const broadcast = session.request({ ...headers, ':path': '/orderer.AtomicBroadcast/Broadcast' })
  broadcast.on('error', () => undefined).pause()
  const every = (1000 * connections) / envelopesPerSecond
  const timer = setInterval(() => {
    if (!broadcast.writableNeedDrain) broadcast.write(envelope)
  }, every)
  session.on('close', () => {
    open.delete(session)
    clearInterval(timer)
    setTimeout(() => holdUnread(unread), 1000)
  })
}

/** A stream of blocks that are not read, opened again when it is ended. */
function holdStream(session: ClientHttp2Session, seek: Buffer): void {
  if (session.closed || session.destroyed) return
  const stream = session.request({ ...headers, ':path': '/orderer.AtomicBroadcast/Deliver' })
  streams.add(stream)
  stream.on('error', () => undefined).pause()
  stream.on('close', () => {
    streams.delete(stream)
    setTimeout(() => holdStream(session, seek), 1000)
  })
  stream.write(seek)
}

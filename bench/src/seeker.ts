// Clients of one organisation that have blocks read for them all the time: a process, ended by its parent.
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { seekEnvelope, tlsCertificateHash } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity } from '@heddle/msp'
import { orderer } from '@heddle/proto'
import type { Attack } from './intruders.ts'

/** `headers`: of all blocks, again and again. `broken off`: streams of blocks, begun and broken off. */
export type SeekingKind = 'headers' | 'broken off'

/** What its clients do, at all validators. */
export interface Seeking {
  readonly kind: SeekingKind
  readonly clients: readonly Attack[]
}

/** What became of it, of all its clients together. */
export interface Sought {
  readonly mebibytes: number
  /** Streams that were begun. */
  readonly streams: number
  readonly cpuSeconds: number
}

/** As many as a client may have. */
const streamsEach = 16
const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }
let bytes = 0
let streams = 0
let cpuThen = process.cpuUsage()

process.on('disconnect', () => process.exit(0))
process.on('message', (message: Seeking | 'count') => {
  if (message === 'count') tell()
  else void begin(message)
})

function tell(): void {
  const { user, system } = process.cpuUsage(cpuThen)
  const counted: Sought = {
    ...{ mebibytes: bytes / 1024 / 1024, streams },
    cpuSeconds: (user + system) / 1e6,
  }
  process.send?.({ counted })
}

async function begin({ kind, clients }: Seeking): Promise<void> {
  for (const attack of clients) {
    const { channelId, mspId, msp, tls, targets } = attack
    const message = await seekEnvelope({
      ...{ channelId, signer: await loadSigningIdentity(msp, mspId), clock: systemClock },
      ...{ start: 'oldest', ...(kind === 'headers' && { stop: 'newest' }) },
      contentType:
        orderer.SeekInfo_SeekContentType[kind === 'headers' ? 'HEADER_WITH_SIG' : 'BLOCK'],
      tlsCertHash: tlsCertificateHash(tls),
    })
    const head = Buffer.alloc(5)
    head.writeUInt32BE(message.length, 1)
    for (const target of targets) open(target, tls, kind, Buffer.concat([head, message]))
  }
  cpuThen = process.cpuUsage()
  process.send?.('begun')
}

/** A connection, opened again when it is closed. */
function open(
  target: Attack['targets'][0],
  tls: Attack['tls'],
  kind: SeekingKind,
  seek: Buffer,
): void {
  const session = connect(`https://${target.address}`, {
    ...{ ca: target.roots, cert: tls.certificate, key: tls.key, servername: 'localhost' },
  })
  session.on('error', () => undefined)
  session.on('close', () => setTimeout(() => open(target, tls, kind, seek), 1000))
  for (let count = 0; count < streamsEach; count++) read(session, kind, seek)
}

/** A stream, opened again when it has ended. */
function read(session: ClientHttp2Session, kind: SeekingKind, seek: Buffer): void {
  if (session.closed || session.destroyed) return
  const stream = session.request({ ...headers, ':path': '/orderer.AtomicBroadcast/Deliver' })
  streams += 1
  stream.on('error', () => undefined)
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (kind === 'broken off') stream.close()
  })
  // One that was refused at once is not begun again at once: that would cost the machine, not the validators.
  let begunAt = performance.now()
  stream.on('close', () => {
    const pauseMs = performance.now() - begunAt < 5 ? 5 : 0
    setTimeout(() => read(session, kind, seek), pauseMs)
  })
  const ask = (): void => {
    begunAt = performance.now()
    // As many requests as flow control lets through: the next is read when one is answered.
    while (!stream.destroyed && stream.write(seek) && kind === 'headers');
  }
  stream.on('drain', () => kind === 'headers' && ask())
  ask()
}

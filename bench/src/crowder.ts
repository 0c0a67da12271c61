// A client that has as much under way at every validator as that reads: a process of its own, ended by its parent.
import { connect } from 'node:http2'
import { signedEnvelope } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity } from '@heddle/msp'
import { common, create, encode, heddle } from '@heddle/proto'
import type { Attack } from './intruders.ts'

/** An attack with records of so many bytes. */
export interface Crowding extends Attack {
  readonly recordBytes: number
}

/** Streams at each validator: the window of a client is that of two. */
const streamsEach = 2
const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' }

process.on('disconnect', () => process.exit(0))
process.on('message', (message: Crowding | 'count') => {
  if (message === 'count')
    process.send?.({ counted: { written: Math.min(...written), taken } satisfies Crowded })
  else void crowd(message)
})

/** What became of it. */
export interface Crowded {
  /** Bytes written for the validator that has read least. */
  readonly written: number
  /** Envelopes that were taken, by all validators. */
  readonly taken: number
}

/** Bytes written for each validator. */
const written: number[] = []
let taken = 0
/** The length of an answer with the status SUCCESS and nothing else; all others say why. */
const successBytes = 5 + 3

async function crowd(attack: Crowding): Promise<void> {
  const { channelId, mspId, recordBytes } = attack
  const signer = await loadSigningIdentity(attack.msp, mspId)
  const type = common.HeaderType.MESSAGE
  const text = 'x'.repeat(recordBytes)
  let made = 0
  const next = async (): Promise<Buffer> => {
    const record = { id: `${attack.msp}-${String(made++)}`, text }
    const call = { contract: 'records', input: Buffer.from(JSON.stringify(record)) }
    const data = encode(heddle.TransactionSchema, create(heddle.TransactionSchema, call))
    const content = { channelId, type, data, signer, clock: systemClock }
    return frameOf((await signedEnvelope(content)).bytes)
  }
  for (const [at, target] of attack.targets.entries()) {
    written[at] = 0
    for (let count = 0; count < streamsEach; count++)
      void fill(target, attack.tls, async () => {
        const frame = await next()
        written[at]! += frame.length
        return frame
      })
  }
  process.send?.('begun')
}

function frameOf(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Writes whatever flow control lets through, and reads the answers; again when the stream has ended. */
async function fill(
  target: Attack['targets'][0],
  { certificate, key }: Attack['tls'],
  next: () => Promise<Buffer>,
): Promise<void> {
  for (;;) {
    const session = connect(`https://${target.address}`, {
      ...{ ca: target.roots, cert: certificate, key, servername: 'localhost' },
    })
    session.on('error', () => undefined)
    const stream = session.request({ ...headers, ':path': '/orderer.AtomicBroadcast/Broadcast' })
    let wake = (): void => undefined
    stream.on('drain', () => wake()).on('close', () => wake())
    stream.on('error', () => undefined)
    let unread = Buffer.alloc(0)
    stream.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk])
      while (unread.length >= 5 && unread.length >= 5 + unread.readUInt32BE(1)) {
        const bytes = 5 + unread.readUInt32BE(1)
        if (bytes === successBytes) taken++
        unread = unread.subarray(bytes)
      }
    })
    while (!stream.closed && !stream.destroyed) {
      const woken = new Promise<void>((resolve) => (wake = resolve))
      if (!stream.write(await next())) await woken
    }
    session.destroy()
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

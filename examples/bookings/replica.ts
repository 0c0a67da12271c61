// One replica as a process of its own. main.ts starts four of them and speaks with them by IPC;
// among each other they speak by @heddle/comm.
import { join } from 'node:path'
import { systemClock } from '@heddle/events'
import { openJournal } from '@heddle/ledger'
import { createReplica } from '@heddle/pbft'
import { Bookings } from './bookings.ts'
import type { FetchBatches, OrderedBatch } from './bookings.ts'
import type { FromReplica, Member, ReplicaFiles, Standing, ToReplica } from './messages.ts'
import { Transport } from './transport.ts'

const files = JSON.parse(process.argv[2] ?? '') as ReplicaFiles
const tell = (message: FromReplica): void => void process.send?.(message)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const transport = await Transport.open(files)
const { msp, signer } = transport
tell({ type: 'listening', address: transport.address, identity: hex(signer.serialized) })
const members = await new Promise<readonly Member[]>((resolve) => {
  process.once('message', (message: ToReplica) => {
    if (message.type === 'members') resolve(message.members)
  })
})
transport.meet(members)
const identities = members.map(({ identity }) => msp.deserialize(Buffer.from(identity, 'hex')))

// The disk: what this replica promised to the others, and what was executed.
const promised = await openJournal({ dir: join(files.dataDir, 'promised') })
const executed = await openJournal({ dir: join(files.dataDir, 'executed') })

// When it was away for long, it asks others for the batches that it missed.
const fetchBatches: FetchBatches = async (replica, { from, to }, signal) => {
  const question = Buffer.from(JSON.stringify([from.toString(), to.toString()]))
  const answer = await transport.ask(replica, question, signal)
  return JSON.parse(Buffer.from(answer).toString()) as OrderedBatch[]
}
const bookings = new Bookings(executed, fetchBatches, await executed.records())

let transfers = 0
const replica = createReplica(
  {
    network: { send: (to, bytes) => transport.send(to, 'consensus', bytes) },
    journal: promised,
    stateMachine: bookings,
    signer,
    verifier: {
      verify: (from, bytes, signature) => identities[from]?.verifyAsync(bytes, signature) ?? false,
    },
    clock: systemClock,
    onEvent: ({ type }) => {
      if (type === 'transferEnded') transfers++
    },
  },
  // Impatient, and with a short memory, so that the demonstration is short.
  {
    id: files.id,
    n: 4,
    requestTimeoutMs: 1000,
    statusIntervalMs: 200,
    checkpointPeriod: 4,
    logMultiplier: 2,
  },
)
transport.listen((from, bytes) => void replica.receive(from, bytes))
transport.answer((question) => {
  const [from = '1', to = '0'] = JSON.parse(Buffer.from(question).toString()) as string[]
  return Buffer.from(JSON.stringify(bookings.batches(BigInt(from), BigInt(to))))
})
await replica.start()

function standing(): Standing {
  const { sequence, digest } = bookings.lastExecuted()
  const { view, primary } = replica.status()
  const guests = Object.fromEntries(bookings.guests)
  const numbers = { sequence: Number(sequence), view: Number(view), primary, transfers }
  return { ...numbers, digest: hex(digest), guests }
}

async function answer(message: ToReplica): Promise<void> {
  if (message.type === 'members') return
  if (message.type === 'book') await replica.submit(Buffer.from(message.request))
  tell({ type: 'answer', n: message.n, standing: standing() })
}
process.on('message', (message: ToReplica) => void answer(message))
// main.ts let go of us, or died.
process.once('disconnect', () => {
  void (async () => {
    await replica.stop()
    await transport.close()
    await promised.close()
    await executed.close()
  })()
})
tell({ type: 'ready' })

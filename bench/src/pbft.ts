import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto'
import { systemClock } from '@heddle/events'
import { createReplica, type Replica, type Verifier } from '@heddle/pbft'
import { MemoryJournal, MemoryNetwork } from '@heddle/pbft/testing'
import { DigestMachine } from './digest-machine.ts'
import { percentile } from './measure.ts'
import type { Figure } from './report.ts'

const replicas = 4
const requestBytes = 1024
const outstanding = 2_000

function keys(): {
  verifier: Verifier
  signer: (id: number) => { sign(b: Uint8Array): Uint8Array }
} {
  const pairs = Array.from({ length: replicas }, () =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  )
  return {
    verifier: {
      verify: (id, bytes, signature) => verify('sha256', bytes, pairs[id]!.publicKey, signature),
    },
    signer: (id) => ({ sign: (bytes) => sign('sha256', bytes, pairs[id]!.privateKey) }),
  }
}

async function startGroup(batchSize: number): Promise<Replica[]> {
  const network = new MemoryNetwork()
  const { verifier, signer } = keys()
  const group = Array.from({ length: replicas }, (_, id) =>
    createReplica(
      {
        network: network.port(id),
        journal: new MemoryJournal(),
        stateMachine: new DigestMachine(),
        signer: signer(id),
        verifier,
        clock: systemClock,
      },
      { id, n: replicas, batchSize, requestTimeoutMs: 20_000 },
    ),
  )
  for (const [id, replica] of group.entries()) {
    network.connect(id, (from, bytes) => void replica.receive(from, bytes))
    await replica.start()
  }
  return group
}

/** Requests a second with 2,000 outstanding at the primary, each acknowledged when executed. */
async function measure(batchSize: number, requests: number): Promise<Figure[]> {
  const group = await startGroup(batchSize)
  const latencies: number[] = []
  let left = requests
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      const sent = performance.now()
      await group[0]!.submit(randomBytes(requestBytes))
      latencies.push(performance.now() - sent)
    }
  }
  const cpu = process.cpuUsage()
  const start = performance.now()
  await Promise.all(Array.from({ length: Math.min(outstanding, requests) }, client))
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  for (const replica of group) await replica.stop()
  const name = `pbft in one process, batch ${String(batchSize)}`
  return [
    { name, value: requests / seconds, unit: 'tx/s' },
    { name: `${name}, latency p50`, value: percentile(latencies, 0.5), unit: 'ms' },
    { name: `${name}, latency p99`, value: percentile(latencies, 0.99), unit: 'ms' },
    { name: `${name}, CPU`, value: (user + system) / 1e3 / requests, unit: 's/1,000 tx' },
  ]
}

export async function run(): Promise<Figure[]> {
  return [
    ...(await measure(1, 4_000)),
    ...(await measure(10, 20_000)),
    ...(await measure(100, 60_000)),
    ...(await measure(500, 100_000)),
  ]
}

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Comm, RemotePeer } from '@heddle/comm'
import { bareOneWay, barePingPong, openBare } from './bare-stream.ts'
import { makeOrganization, tlsOf, type TlsPair } from './certificates.ts'
import { oneWay, pingPong, startComm, wireBytes } from './comm-node.ts'
import { paired } from './measure.ts'
import type { Figure } from './report.ts'

const sizes = [
  { name: '100 B', size: 100, messages: 40_000, roundTrips: 4_000 },
  { name: '1 KiB', size: 1024, messages: 40_000, roundTrips: 4_000 },
  { name: '16 KiB', size: 16 * 1024, messages: 15_000, roundTrips: 3_000 },
]
const rounds = 5
const bar = { of: 'ratio', atLeast: 0.8 } as const

interface Ports {
  readonly bare: number
  readonly bareEcho: number
  readonly comm: number
  readonly pkiId: string
}

interface Ends {
  readonly child: ChildProcess
  readonly ports: Ports
  readonly tls: TlsPair
  readonly comm: Comm
  readonly peer: RemotePeer
}

async function ask(child: ChildProcess, message: object): Promise<unknown> {
  const answered = once(child, 'message')
  child.send(message)
  const [answer] = (await answered) as [unknown]
  return answer
}

async function measureSize(ends: Ends, { name, size, messages, roundTrips }: (typeof sizes)[0]) {
  const { child, ports, tls, comm, peer } = ends
  const wire = wireBytes(size)
  const bare = openBare(tls, ports.bare)
  await ask(child, { echo: false })
  const way = await paired(
    rounds,
    () => oneWay(comm, peer, [size, messages]),
    () => bareOneWay(bare.stream, wire, messages),
  )
  bare.close()
  const bareEcho = openBare(tls, ports.bareEcho)
  await ask(child, { echo: true })
  const ping = await paired(
    rounds,
    () => pingPong(comm, peer, [size, roundTrips]),
    () => barePingPong(bareEcho.stream, wire, roundTrips),
  )
  bareEcho.close()
  return [
    { name: `comm one way, ${name}`, value: way.ours, unit: 'msg/s', limit: way.limit, bar },
    { name: `comm ping-pong, ${name}`, value: ping.ours, unit: 'rt/s', limit: ping.limit, bar },
  ]
}

export async function run(): Promise<Figure[]> {
  const { organization, remove } = await makeOrganization()
  const [left, right] = organization.nodes
  if (left === undefined || right === undefined) throw new Error('two nodes were asked for')
  const child = fork(fileURLToPath(new URL('./comm-child.ts', import.meta.url)))
  try {
    const ports = (await ask(child, { organization, node: right })) as Ports
    const comm = await startComm(organization, left)
    const pkiId = Buffer.from(ports.pkiId, 'hex')
    const peer = { endpoint: `localhost:${String(ports.comm)}`, pkiId }
    const figures: Figure[] = []
    for (const size of sizes) {
      figures.push(...(await measureSize({ child, ports, tls: tlsOf(left), comm, peer }, size)))
    }
    await comm.stop()
    return figures
  } finally {
    child.disconnect()
    remove()
  }
}

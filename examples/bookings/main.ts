// A theatre's booking service on four replicas, each a process with its own certificate and disk.
// Two guests want one seat; the primary is killed; the others go on; it comes back and catches up.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateOrganization } from '@heddle/msp'
import type { Member, ReplicaFiles } from './messages.ts'
import { RemoteReplica } from './remote-replica.ts'

const dir = await mkdtemp(join(tmpdir(), 'bookings-'))
process.exitCode = 1 // until the end is reached

// 1. Certificates for four replicas of one organisation.
const mspId = 'TheatreMSP'
const names = ['replica0', 'replica1', 'replica2', 'replica3']
const { nodes } = await generateOrganization({
  mspId,
  domain: 'theatre.example.com',
  dir: join(dir, 'crypto'),
  nodes: names.map((name) => ({ name, role: 'peer' })),
})
const filesOf = (id: number, port = 0): ReplicaFiles => {
  const { name, mspDir, tls } = nodes[id]!
  return { id, port, mspId, mspDir, tls, dataDir: join(dir, name) }
}

// 2. Four processes, on free ports.
const replicas = names.map((_, id) => new RemoteReplica(filesOf(id)))
const members: Member[] = await Promise.all(replicas.map((replica) => replica.listening()))
await Promise.all(replicas.map((replica) => replica.join(members)))
console.log('replicas listen on', members.map(({ address }) => address).join(', '))

// 3. Two guests want the same seat at the same time, at different replicas.
const [one, other] = await Promise.all([
  replicas[1]!.book({ seat: 'A1', guest: 'Ada' }),
  replicas[2]!.book({ seat: 'A1', guest: 'Bob' }),
])
assert.equal(one.guests['A1'], other.guests['A1'])
console.log(`seat A1 went to ${one.guests['A1'] ?? 'nobody'}, at both replicas`)

// 4. kill -9 for the primary, and more bookings than the others keep in their log.
await replicas[0]!.kill()
const started = performance.now()
for (let n = 0; n < 30; n++) await replicas[1 + (n % 3)]!.book({ seat: `B${n}`, guest: 'Cy' })
const alone = await replicas[1]!.standing()
assert.ok(alone.view > 0, 'there was a change of view')
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`replica 0 killed: 30 more seats in ${seconds} s, replica ${alone.primary} is primary`)

// 5. It comes back on the same disk and port, and catches up without new traffic.
replicas[0] = new RemoteReplica(filesOf(0, Number(members[0]!.address.split(':')[1])))
await replicas[0].listening()
await replicas[0].join(members)
const target = (await replicas[1]!.standing()).sequence
let back = await replicas[0].standing()
for (let tries = 0; back.sequence < target && tries < 300; tries++) {
  await new Promise((resolve) => setTimeout(resolve, 100))
  back = await replicas[0].standing()
}
console.log(`replica 0 is back at batch ${back.sequence}, ${back.transfers} state transfer(s)`)

// 6. The proof: the same batches and the same guests everywhere.
const standings = await Promise.all(replicas.map((replica) => replica.standing()))
for (const { digest, guests } of standings) {
  assert.equal(digest, standings[1]!.digest)
  assert.deepEqual(guests, standings[1]!.guests)
}
assert.equal(Object.keys(back.guests).length, 31)
assert.ok(back.transfers > 0)
console.log(`all four have the same 31 guests, digest ${back.digest.slice(0, 16)}`)

const statuses = await Promise.all(replicas.map((replica) => replica.stop()))
assert.deepEqual(statuses, [0, 0, 0, 0])
await rm(dir, { recursive: true })
process.exitCode = 0
console.log('all of it held')

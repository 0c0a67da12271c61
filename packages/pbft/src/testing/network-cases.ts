import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import type { Network } from '../ports.ts'
import { casesOver } from './port-case.ts'
import type { Disposable, PortCase } from './port-case.ts'

/** Two ends of a network under test: what 0 sends with `port` arrives at 1, in `received`. */
export interface NetworkSetup extends Disposable {
  readonly port: Network
  readonly received: readonly { readonly from: number; readonly bytes: Uint8Array }[]
  /** Resolves when everything sent so far has arrived. */
  readonly settle: () => Promise<void>
}

/** What every {@link Network} must do. */
export function networkCases(setup: () => NetworkSetup | Promise<NetworkSetup>): PortCase[] {
  return casesOver('network', setup, {
    'messages arrive whole, in order, with their sender': whole,
    'the same bytes sent again arrive again': again,
    'messages that are sent together keep their order': together,
    'whoever cannot be reached holds up nobody else': unreachable,
    'sending to nobody rejects or loses, and does not throw': nobody,
  })
}

async function arrived({ received, settle }: NetworkSetup): Promise<string[]> {
  await settle()
  return received.map(({ bytes }) => Buffer.from(bytes).toString())
}

async function whole({ port, received, settle }: NetworkSetup): Promise<void> {
  const sent = [1, 2, 3, 500].map((length) => Buffer.alloc(length * 1000, length))
  for (const bytes of sent) await port.send(1, bytes)
  await settle()
  assert.deepEqual(
    received.map(({ from, bytes }) => facts(from, bytes)),
    sent.map((bytes) => facts(0, bytes)),
  )
}

/** Tells long messages apart; to show how the bytes themselves differ takes gigabytes. */
function facts(from: number, bytes: Uint8Array): string {
  return `${bytes.length} bytes from ${from}, SHA-256 ${hash('sha256', bytes)}`
}

async function again(setup: NetworkSetup): Promise<void> {
  const same = Buffer.from('same')
  for (const bytes of [same, Buffer.from('other'), same, same]) await setup.port.send(1, bytes)
  assert.deepEqual(await arrived(setup), ['same', 'other', 'same', 'same'])
}

async function together(setup: NetworkSetup): Promise<void> {
  const names = Array.from({ length: 20 }, (_, index) => `message ${index}`)
  await Promise.all(names.map((name) => setup.port.send(1, Buffer.from(name))))
  assert.deepEqual(await arrived(setup), names)
}

async function unreachable(setup: NetworkSetup): Promise<void> {
  const lost = setup.port.send(99, Buffer.from('x')).catch(() => undefined)
  await setup.port.send(1, Buffer.from('y'))
  assert.deepEqual(await arrived(setup), ['y'])
  await lost
}

async function nobody({ port }: NetworkSetup): Promise<void> {
  const sending = port.send(99, Buffer.from('x'))
  await sending.catch((error: unknown) => assert.ok(error instanceof Error))
}

import assert from 'node:assert/strict'
import type { Signer, Verifier } from '../ports.ts'
import { casesOver } from './port-case.ts'
import type { Disposable, PortCase } from './port-case.ts'

/** Keys under test, of replicas 0 to 3 at least. */
export interface SignerSetup extends Disposable {
  readonly signer: (replica: number) => Signer
  readonly verifier: Verifier
}

/** What every pair of {@link Signer} and {@link Verifier} must do. */
export function signerCases(setup: () => SignerSetup | Promise<SignerSetup>): PortCase[] {
  return casesOver('signer', setup, {
    'a signature verifies for its replica and bytes, and for nothing else': fits,
    'a signature that was changed does not verify': changed,
    'bytes that are no signature do not verify': garbage,
  })
}

const bytes = Buffer.from('statement')

/** A verifier may also throw or reject. */
async function isGood(answer: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await answer()
  } catch {
    return false
  }
}

async function fits({ signer, verifier }: SignerSetup): Promise<void> {
  for (const replica of [0, 1, 3]) {
    const signature = await signer(replica).sign(bytes)
    const verifies = (by: number, what: Uint8Array): Promise<boolean> =>
      isGood(() => verifier.verify(by, what, signature))
    assert.equal(await verifies(replica, bytes), true)
    assert.equal(await verifies(replica, Uint8Array.from(bytes)), true)
    assert.equal(await verifies(2, bytes), false)
    assert.equal(await verifies(replica, Buffer.from('other')), false)
    assert.equal(await verifies(replica, bytes.subarray(1)), false)
    assert.equal(await verifies(replica, Buffer.alloc(0)), false)
  }
}

async function changed({ signer, verifier }: SignerSetup): Promise<void> {
  const signature = await signer(1).sign(bytes)
  for (const at of [0, signature.length >> 1, signature.length - 1]) {
    const other = Uint8Array.from(signature)
    other[at] = (other[at] ?? 0) ^ 1
    assert.equal(await isGood(() => verifier.verify(1, bytes, other)), false)
  }
  for (const other of [signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)])]) {
    assert.equal(await isGood(() => verifier.verify(1, bytes, other)), false)
  }
}

async function garbage({ verifier }: SignerSetup): Promise<void> {
  for (const length of [0, 3, 70, 100_000]) {
    assert.equal(await isGood(() => verifier.verify(1, bytes, Buffer.alloc(length, 0x30))), false)
  }
}

import { expect } from 'chai'
import type { Proof } from '../../src/network/proof.ts'

/** The height of all validators, as the proof found it: progress is only a sample. */
export function provenHeight({ checks }: Proof): number {
  const detail = checks.find(({ name }) => name === 'blocks')?.detail ?? 'no check of blocks'
  const height = /same (\d+) blocks/.exec(detail)?.[1]
  expect(height, detail).not.to.equal(undefined)
  return Number(height)
}

import { expect } from 'chai'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '@heddle/events'
import { openLedger } from '@heddle/ledger'
import { common, decode } from '@heddle/proto'
import { channelId } from '../../src/network/prepare.ts'
import { genesisWrites } from '../../src/node/genesis-state.ts'
import type { StateWrite } from '@heddle/ledger'

function ledgerOf(config: string): string {
  return join(dirname(config), 'data', 'ledger')
}

/**
 * Changes one value in the state of a validator that does not run and has the genesis block alone.
 * What it goes by, digests included, stays the same: it comes to other results than the others as
 * soon as the value matters, as with a fault of its memory, its disk or its software.
 *
 * @param config - its configuration file
 */
export async function alterState(config: string, change: StateWrite): Promise<void> {
  const options = { dir: ledgerOf(config), channelId, clock: systemClock }
  const before = await openLedger(options)
  const { savepoint } = before.state
  const genesis = await before.block(0n)
  await before.close()
  expect(savepoint.height).to.equal(1n)
  await forgetState(config)
  const after = await openLedger(options)
  const writes = genesisWrites(decode(common.BlockSchema, genesis!))
  await after.state.apply(1n, savepoint.sequence, [...writes, change], savepoint.digest)
  await after.close()
}

/** Removes the state of a validator that does not run: it makes it again from its blocks. */
export async function forgetState(config: string): Promise<void> {
  await rm(join(ledgerOf(config), 'state'), { recursive: true })
}

/** As if the state of a validator had been rebuilt for block `number` before: it is not again. */
export async function markRebuilt(config: string, number: bigint): Promise<void> {
  await mkdir(join(ledgerOf(config), `state-diverged-${number}`))
}

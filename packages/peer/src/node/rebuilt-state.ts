import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { StateDiverged } from '../engine/state-diverged.ts'
import { systemCode } from '../errors.ts'

const aside = 'state-diverged-'

/** The blocks for which a state was set aside and rebuilt. @param ledger - folder of the ledger */
export async function rebuiltFor(ledger: string): Promise<ReadonlySet<bigint>> {
  const names = await readdir(ledger)
  const numbers = names.flatMap((name) => /^state-diverged-(\d+)$/.exec(name)?.[1] ?? [])
  return new Set(numbers.map(BigInt))
}

/**
 * Moves the state of a validator that does not run aside, so that its next start rebuilds it from its
 * blocks. Once for each block: when that block comes out otherwise again, nothing of the kind helps.
 *
 * @param ledger - folder of its ledger
 * @throws {StateDiverged} `reason`, when the state was rebuilt for this block before
 */
export async function discardState(ledger: string, reason: StateDiverged): Promise<void> {
  const before = await rebuiltFor(ledger)
  if (before.has(reason.block))
    throw new StateDiverged(
      reason.block,
      `${reason.message}, also after its state was rebuilt from its blocks`,
      { cause: reason },
    )
  for (const block of before) await rm(join(ledger, `${aside}${block}`), { recursive: true })
  try {
    await rename(join(ledger, 'state'), join(ledger, `${aside}${reason.block}`))
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

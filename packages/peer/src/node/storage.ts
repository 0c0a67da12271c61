import { rename, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { directoryHolder, openJournal, openLedger } from '@heddle/ledger'
import { blockHeaderHash, common, decode } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { claimDataFolder } from './data-owner.ts'
import { rebuiltFor } from './rebuilt-state.ts'
import type { Clock, Logger, Metrics } from '@heddle/interface'
import type { Journal, Ledger } from '@heddle/ledger'
import type { DataOwner } from './data-owner.ts'
import type { DiskSpace } from './disk-check.ts'

/** The disk of a validator. */
export interface Storage {
  readonly ledger: Ledger
  readonly journal: Journal
  /** Why records of the journal are missing, if they are known to be. */
  readonly journalDamage: string | undefined
  /** Blocks for which the state was rebuilt before, because it was not that of the others. */
  readonly rebuiltFor: ReadonlySet<bigint>
  /** Paths of files that it needs at its next start, and that are no longer in their place. */
  missingFiles(): Promise<string[]>
  /** The disk that its folder is on. */
  space(): Promise<DiskSpace>
  close(): Promise<void>
}

/** How to open a {@link Storage}. */
export interface StorageDeps {
  /** Folder of this validator alone. */
  readonly dir: string
  readonly channelId: string
  /** Number of this validator among the consenters of the genesis block, from 1, and its organisation. */
  readonly consenter: { readonly id: number; readonly mspId: string }
  /** Encoded genesis block: becomes block 0 of an empty ledger. */
  readonly genesis: Uint8Array
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Where a validator with data folder `dir` keeps its ledger. */
export const ledgerIn = (dir: string): string => join(dir, 'ledger')
/** The same of its journal. */
export const journalIn = (dir: string): string => join(dir, 'journal')

/** The process that has a data folder open, if one has; nothing is changed. */
export async function dataHolder(dir: string): Promise<number | undefined> {
  return (await directoryHolder(ledgerIn(dir))) ?? (await directoryHolder(journalIn(dir)))
}

async function putGenesis(ledger: Ledger, genesis: Uint8Array, dir: string): Promise<void> {
  if (ledger.height === 0n) {
    await ledger.append({ block: genesis, txIds: [''] })
    return
  }
  const stored = await ledger.block(0n)
  if (stored !== undefined && Buffer.compare(stored, genesis) === 0) return
  throw new PeerError(
    'PEER_INVALID_CONFIG',
    `the ledger in ${dir} began with another genesis block`,
    {
      cure: 'give the genesis block that it began with, or another peer.fileSystemPath',
    },
  )
}

/** Whose data the folder of such a validator holds. */
export function ownerOf({
  channelId,
  consenter,
  genesis,
}: Pick<StorageDeps, 'channelId' | 'consenter' | 'genesis'>): DataOwner {
  const { header } = decode(common.BlockSchema, genesis)
  const hash = header === undefined ? '' : blockHeaderHash(header).toString('hex')
  return { channelId, genesis: hash, consenter: consenter.id, mspId: consenter.mspId }
}

/**
 * What cannot be read is set aside, and the journal begins anew: the replica then does not vote until
 * it cannot contradict what is lost.
 */
async function openReplicaJournal(
  deps: StorageDeps,
): Promise<{ readonly journal: Journal; readonly damage?: string }> {
  const { clock, logger, metrics } = deps
  const dir = journalIn(deps.dir)
  try {
    return { journal: await openJournal({ dir, logger, metrics }) }
  } catch (error) {
    if (!isCodedError(error) || error.code !== 'LEDGER_CORRUPT') throw error
    const aside = `${dir}.damaged-${clock.wallTime().toString()}`
    await rename(dir, aside)
    logger.warn('journal damaged: it was set aside, and a new one begins', { aside }, error)
    const damage = 'the journal was damaged'
    return { journal: await openJournal({ dir, logger, metrics }), damage }
  }
}

/** As it is for who may not use what is kept back for the superuser. */
export async function spaceOf(dir: string): Promise<DiskSpace> {
  const { bavail, blocks, bsize } = await statfs(dir)
  return { path: dir, freeBytes: bavail * bsize, bytes: blocks * bsize }
}

/**
 * Opens the ledger and the journal, repairing what a crash left behind.
 * @throws LedgerError; {@link PeerError} PEER_WRONG_FOLDER when the folder is another validator's,
 *   PEER_INVALID_CONFIG when the ledger is another channel's
 */
export async function openStorage(deps: StorageDeps): Promise<Storage> {
  const { channelId, clock, logger, metrics } = deps
  await claimDataFolder(deps.dir, ownerOf(deps))
  const ledger = await openLedger({
    dir: ledgerIn(deps.dir),
    channelId,
    clock,
    logger,
    metrics,
  })
  try {
    await putGenesis(ledger, deps.genesis, deps.dir)
    const journal = await openReplicaJournal(deps)
    return {
      ledger,
      journal: journal.journal,
      journalDamage: journal.damage,
      rebuiltFor: await rebuiltFor(ledgerIn(deps.dir)),
      missingFiles: async () => [
        ...(await ledger.missingFiles()),
        ...(await journal.journal.missingFiles()),
      ],
      space: () => spaceOf(deps.dir),
      close: async () => {
        await journal.journal.close()
        await ledger.close()
      },
    }
  } catch (error) {
    await ledger.close()
    throw error
  }
}

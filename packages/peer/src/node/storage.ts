import { join } from 'node:path'
import { openJournal, openLedger } from '@heddle/ledger'
import { blockHeaderHash, common, decode } from '@heddle/proto'
import { PeerError } from '../errors.ts'
import { claimDataFolder } from './data-owner.ts'
import type { Clock, Logger, Metrics } from '@heddle/interface'
import type { Journal, Ledger } from '@heddle/ledger'
import type { DataOwner } from './data-owner.ts'

/** The disk of a validator. */
export interface Storage {
  readonly ledger: Ledger
  readonly journal: Journal
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

function ownerOf({ channelId, consenter, genesis }: StorageDeps): DataOwner {
  const { header } = decode(common.BlockSchema, genesis)
  const hash = header === undefined ? '' : blockHeaderHash(header).toString('hex')
  return { channelId, genesis: hash, consenter: consenter.id, mspId: consenter.mspId }
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
    dir: join(deps.dir, 'ledger'),
    channelId,
    clock,
    logger,
    metrics,
  })
  try {
    await putGenesis(ledger, deps.genesis, deps.dir)
    const journal = await openJournal({ dir: join(deps.dir, 'journal'), logger, metrics })
    return {
      ledger,
      journal,
      close: async () => {
        await journal.close()
        await ledger.close()
      },
    }
  } catch (error) {
    await ledger.close()
    throw error
  }
}

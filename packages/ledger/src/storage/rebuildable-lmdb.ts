import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BootMarker } from './boot-marker.ts'
import { diskFiles } from './disk-files.ts'
import { toLedgerError } from '../errors.ts'
import { lmdbDamage, lmdbFile } from './lmdb-file.ts'
import { openLmdb, openSyncedLmdb } from './lmdb-store.ts'
import { bootId } from './process-lock.ts'
import type { KeyValueStore } from './storage.ts'

/**
 * A key-value store whose commits do not wait for the disk, for what can be made again: it is empty
 * when a power loss may have left only some of its pages.
 *
 * While the machine runs, the operating system has all that was written, whatever happens to the
 * process. So a marker beside the database holds the boot of the machine in which it was last open,
 * or that it was synced and closed; when it holds another boot, the database is thrown away, as it
 * also is when its file is damaged. Where boots cannot be told apart, commits are synced instead.
 *
 * @throws LedgerError LEDGER_DISK_FULL, LEDGER_IO
 */
export async function openRebuildableLmdb(directory: string): Promise<KeyValueStore> {
  const boot = await bootId()
  if (boot === undefined) return openSyncedLmdb(directory)
  const marker = new BootMarker(diskFiles, directory, boot)
  let repaired: string | undefined
  try {
    const wasPowerKept = await marker.wasPowerKept().catch(() => false)
    repaired = lmdbDamage(directory)
    if (repaired !== undefined || !wasPowerKept) {
      await rm(directory, { recursive: true, force: true })
      await diskFiles.makeDirectory(directory)
    }
    // Before the first commit: "clean" must not be what a power loss brings back.
    await marker.opened()
  } catch (error) {
    throw toLedgerError(error, 'prepare the database in', directory)
  }
  const store = await openLmdb(directory, { noSync: true })
  return Object.assign(store, { repaired, close: closer(store, directory, marker) })
}

/** Closes a store, syncs its file and says so. */
function closer(store: KeyValueStore, directory: string, marker: BootMarker): () => Promise<void> {
  const close = store.close.bind(store)
  return async () => {
    await close()
    try {
      const file = await open(join(directory, lmdbFile), 'r+')
      await file.sync().finally(() => file.close())
      await marker.closed()
    } catch (error) {
      throw toLedgerError(error, 'sync the database in', directory)
    }
  }
}

import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { diskFiles } from './disk-files.ts'
import { toLedgerError } from './errors.ts'
import { lmdbDamage, lmdbFile } from './lmdb-file.ts'
import { openLmdb, openSyncedLmdb } from './lmdb-store.ts'
import { bootId } from './process-lock.ts'
import type { KeyValueStore } from './storage.ts'

/** In the marker, after everything was synced and closed. */
const clean = 'clean'

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
  const marker = join(directory, 'boot')
  let repaired: string | undefined
  try {
    const known = await readFile(marker, 'utf8').catch(() => undefined)
    repaired = lmdbDamage(directory)
    if (repaired !== undefined || (known !== boot && known !== clean)) {
      await rm(directory, { recursive: true, force: true })
      await diskFiles.makeDirectory(directory)
    }
    // Before the first commit: "clean" must not be what a power loss brings back.
    if (known !== boot) await writeMarker(directory, marker, boot)
  } catch (error) {
    throw toLedgerError(error, 'prepare the database in', directory)
  }
  const store = await openLmdb(directory, { noSync: true })
  return Object.assign(store, { repaired, close: closer(store, directory, marker) })
}

/** Closes a store, syncs its file and says so. */
function closer(store: KeyValueStore, directory: string, marker: string): () => Promise<void> {
  const close = store.close.bind(store)
  return async () => {
    await close()
    try {
      const file = await open(join(directory, lmdbFile), 'r+')
      await file.sync().finally(() => file.close())
      await writeMarker(directory, marker, clean)
    } catch (error) {
      throw toLedgerError(error, 'sync the database in', directory)
    }
  }
}

async function writeMarker(directory: string, marker: string, text: string): Promise<void> {
  const file = await open(marker, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await diskFiles.syncDirectory(directory)
}

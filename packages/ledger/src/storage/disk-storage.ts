import { diskFiles } from './disk-files.ts'
import { openSyncedLmdb } from './lmdb-store.ts'
import { bootId, lockDirectory } from './process-lock.ts'
import { openRebuildableLmdb } from './rebuildable-lmdb.ts'
import type { Storage } from './storage.ts'

/** The real thing: files of the operating system, LMDB, and a lock among its processes. */
export const diskStorage: Storage = {
  files: diskFiles,
  boot: bootId,
  lock: lockDirectory,
  openKeyValues: async (directory, durability) => {
    await diskFiles.makeDirectory(directory)
    return durability === 'synced' ? openSyncedLmdb(directory) : openRebuildableLmdb(directory)
  },
}

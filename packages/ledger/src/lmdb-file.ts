import { open } from 'node:fs/promises'
import { join } from 'node:path'

/** The file of a database, in its directory. */
export const lmdbFile = 'data.mdb'

// Where things stand in the two first pages, and in what follows them: mdb.c of LMDB (MDB_page_header,
// MDB_meta), data version 2, on machines of 64 bits.
const magicAt = 24
const magic = 0xbeefc0de
const versionAt = 28
const version = 2
const pageBytesAt = 48
const lastPageAt = 144
const transactionAt = 152
const metaEnd = 160

/**
 * What is wrong with the file of an LMDB database, which LMDB itself maps into memory unseen: with
 * `garbage`, opening it would end the process, with `short`, perhaps, reading what is cut off.
 * (Pages at the end that are free may never have been written: `short` need not be damage.)
 */
export async function lmdbDamage(directory: string): Promise<'garbage' | 'short' | undefined> {
  // On machines of 32 bits the fields stand elsewhere.
  if (process.arch === 'arm' || process.arch === 'ia32') return undefined
  const file = await open(join(directory, lmdbFile), 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    const { size } = await file.stat()
    if (size === 0) return undefined
    const meta = async (at: number): Promise<Meta | undefined> => {
      const bytes = new ArrayBuffer(metaEnd)
      const { bytesRead } = await file.read(new Uint8Array(bytes), 0, metaEnd, at)
      return bytesRead === metaEnd ? metaOf(new DataView(bytes)) : undefined
    }
    const first = await meta(0)
    const second = first && (await meta(first.pageBytes))
    if (first === undefined || second === undefined) return 'garbage'
    const newest = first.transaction > second.transaction ? first : second
    return BigInt(size) < (newest.lastPage + 1n) * BigInt(first.pageBytes) ? 'short' : undefined
  } finally {
    await file.close()
  }
}

interface Meta {
  readonly pageBytes: number
  readonly lastPage: bigint
  readonly transaction: bigint
}

/** What a page says of the database, if it is one that does. */
function metaOf(page: DataView): Meta | undefined {
  // LMDB writes as the machine does.
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1
  const number = (at: number): number => page.getUint32(at, little)
  const pageBytes = number(pageBytesAt)
  if (number(magicAt) !== magic || number(versionAt) !== version) return undefined
  if (pageBytes < 512 || pageBytes > 65_536 || pageBytes % 512 !== 0) return undefined
  return {
    pageBytes,
    lastPage: page.getBigUint64(lastPageAt, little),
    transaction: page.getBigUint64(transactionAt, little),
  }
}

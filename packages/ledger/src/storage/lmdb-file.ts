import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { PageDamage, TreeWalk } from './lmdb-tree.ts'
import { isSealed } from './sealed-values.ts'
import type { PageSource, TreeEntry, TreeRoot } from './lmdb-tree.ts'

/** The file of a database, in its directory. */
export const lmdbFile = 'data.mdb'

// Where things stand in the two first pages: mdb.c of the LMDB in lmdb 3.5 (MDB_meta), data version 2,
// on machines of 64 bits.
const magicAt = 24
const magic = 0xbeefc0de
const versionAt = 28
const version = 2
/** `MDB_db` of the tree of free pages; its first field is the page size. */
const freeTreeAt = 48
const mainTreeAt = 96
const lastPageAt = 144
const transactionAt = 152
const metaEnd = 160

/** LMDB writes as the machine does. */
const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/**
 * What is wrong with the file of an LMDB database. LMDB maps it into memory and believes what it
 * finds: a page that is cut off, empty or another would end the process, or be written to. So every
 * page in use is read before LMDB opens it, with the checksum of every value; some milliseconds for
 * a megabyte.
 *
 * @returns what is wrong and where; undefined for a whole database, an empty file, and none
 */
export function lmdbDamage(directory: string): string | undefined {
  // On machines of 32 bits the fields stand elsewhere.
  if (process.arch === 'arm' || process.arch === 'ia32') return undefined
  const file = openIfThere(join(directory, lmdbFile))
  if (file === undefined) return undefined
  try {
    const { size } = fstatSync(file)
    return size === 0 ? undefined : damageOf(file, size)
  } finally {
    closeSync(file)
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function damageOf(file: number, size: number): string | undefined {
  const first = metaAt(file, 0)
  const second = first && metaAt(file, first.pageBytes)
  if (first === undefined || second === undefined)
    return 'its first pages are not those of a database'
  const meta = first.transaction > second.transaction ? first : second
  const source: PageSource = {
    ...meta,
    pages: Math.ceil(size / meta.pageBytes),
    little,
    read: (into, position) => readSync(file, into, 0, into.length, position),
  }
  try {
    checkPages(new TreeWalk(source), meta)
    return undefined
  } catch (error) {
    if (!(error instanceof PageDamage)) throw error
    return `page ${error.page.toString()} of ${meta.lastPage.toString()}: ${error.message}`
  }
}

/** @throws PageDamage at the first page, or value, that is not what it must be */
function checkPages(walk: TreeWalk, meta: Meta): void {
  for (const { key, value, page } of walk.entries(meta.main, byBytes)) {
    if (!isSealed(key, value)) throw new PageDamage(page, 'a value with another checksum')
  }
  // Read to the end first: the tree of free pages has pages of its own.
  const free = [...walk.entries(meta.free, byNumber)].map(({ value, page }) => ({ value, page }))
  for (const entry of free) checkFree(walk, entry)
}

/** Pages that are told to be free will be written to: none may be in use. */
function checkFree(walk: TreeWalk, { value, page }: Pick<TreeEntry, 'value' | 'page'>): void {
  const numbers = new DataView(value.buffer, value.byteOffset, value.length)
  const at = (index: number): bigint => numbers.getBigInt64(8 * index, little)
  const count = value.length < 8 ? -1n : at(0)
  if (count < 0n || 8n * (count + 1n) > BigInt(value.length))
    throw new PageDamage(page, 'a list of free pages with another length')
  let together = 1n
  for (let index = 1; index <= Number(count); index++) {
    const number = at(index)
    // A negative number says how many pages begin at the next one; 0 is an empty place.
    if (number < 0n) together = -number
    if (number <= 0n) continue
    const taken = walk.firstTaken(number, together)
    if (taken !== undefined) throw new PageDamage(taken, 'in use, and listed as free')
    together = 1n
  }
}

const byBytes = (a: Buffer, b: Buffer): number => Buffer.compare(a, b)

/** Native integers: `MDB_INTEGERKEY`. */
function byNumber(a: Buffer, b: Buffer): number {
  if (a.length !== 8 || b.length !== 8) return 1 // never in order
  const [left, right] = little
    ? [a.readBigUInt64LE(), b.readBigUInt64LE()]
    : [a.readBigUInt64BE(), b.readBigUInt64BE()]
  return left < right ? -1 : Number(left > right)
}

interface Meta {
  readonly pageBytes: number
  readonly lastPage: bigint
  readonly transaction: bigint
  readonly free: TreeRoot
  readonly main: TreeRoot
}

/** What a page says of the database, if it is one that does. */
function metaAt(file: number, position: number): Meta | undefined {
  const page = new DataView(new ArrayBuffer(metaEnd))
  const read = readSync(file, page, 0, metaEnd, position)
  const number = (at: number): number => page.getUint32(at, little)
  const pageBytes = number(freeTreeAt)
  if (read < metaEnd || number(magicAt) !== magic || number(versionAt) !== version) return undefined
  if (pageBytes < 512 || pageBytes > 65_536 || pageBytes % 512 !== 0) return undefined
  return {
    pageBytes,
    lastPage: page.getBigUint64(lastPageAt, little),
    transaction: page.getBigUint64(transactionAt, little),
    free: treeAt(page, freeTreeAt),
    main: treeAt(page, mainTreeAt),
  }
}

function treeAt(page: DataView, at: number): TreeRoot {
  return {
    depth: page.getUint16(at + 6, little),
    entries: page.getBigUint64(at + 32, little),
    root: page.getBigUint64(at + 40, little),
  }
}

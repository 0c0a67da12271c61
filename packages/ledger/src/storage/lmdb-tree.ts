// Reads the pages of an LMDB file as LMDB does, but checks each before it trusts it.
// Layout: mdb.c of the LMDB in lmdb 3.5 (MDB_page_header, MDB_node, MDB_ovpage, MDB_db).

/** Bytes before the nodes of a page. */
const headerBytes = 24
const flags = { branch: 1, leaf: 2, overflow: 4 } as const
const bigData = 1
const nodeBytes = 8
const overflowBytes = 24
/** The root of a tree without entries. */
const noPage = 0xffff_ffff_ffff_ffffn
/** LMDB's own bound (CURSOR_STACK). */
const maxDepth = 32

/** What a page says that begins a tree: `MDB_db`. */
export interface TreeRoot {
  readonly depth: number
  readonly entries: bigint
  readonly root: bigint
}

/** The pages of one database file, as of its newest commit. */
export interface PageSource {
  readonly pageBytes: number
  /** Pages that the file has. */
  readonly pages: number
  /** The last page in use or free; free ones behind the end of the file were never written. */
  readonly lastPage: bigint
  readonly little: boolean
  /** Fills `into` from byte `position` on; returns the bytes read. */
  read(into: Uint8Array, position: number): number
}

/** Why a page cannot be trusted: what is wrong, and where. */
export class PageDamage extends Error {
  readonly page: bigint

  constructor(page: bigint, what: string) {
    super(what)
    this.page = page
  }
}

/** An entry of a tree; its bytes are good until the next one. */
export interface TreeEntry {
  readonly key: Buffer
  readonly value: Buffer
  readonly page: bigint
}

interface Page {
  readonly number: bigint
  readonly bytes: Buffer
}

/** How keys of a tree are ordered. */
type Order = (a: Buffer, b: Buffer) => number

/** Walks the trees of one file. A page that two of them claim is damage. */
export class TreeWalk {
  readonly #source: PageSource
  readonly #seen: Uint8Array

  constructor(source: PageSource) {
    this.#source = source
    this.#seen = new Uint8Array(Math.ceil(source.pages / 8))
  }

  /**
   * All entries of a tree, in the order of its keys.
   *
   * @throws PageDamage at the first page that is not what it must be
   */
  *entries(tree: TreeRoot, order: Order): Generator<TreeEntry, void> {
    let count = 0n
    if (tree.root !== noPage) {
      if (tree.depth < 1 || tree.depth > maxDepth) throw new PageDamage(tree.root, 'no such depth')
      const keys = new Keys(order)
      for (const entry of this.#below(tree.root, tree.depth, keys)) {
        count++
        yield entry
      }
    }
    if (count === tree.entries) return
    const what = `${count.toString()} entries in place of ${tree.entries.toString()}`
    throw new PageDamage(tree.root, what)
  }

  /** Whether a page belongs to a tree that was walked, or cannot belong to the file. */
  isTaken(page: bigint): boolean {
    if (page < 2n || page > this.#source.lastPage) return true
    return ((this.#seen[Number(page >> 3n)] ?? 0) & (1 << Number(page & 7n))) !== 0
  }

  /** The first of `count` pages that {@link isTaken}. Those behind the end of the file are in no tree. */
  firstTaken(first: bigint, count: bigint): bigint | undefined {
    const last = first + count - 1n
    if (last > this.#source.lastPage) return last
    const pages = BigInt(this.#source.pages)
    for (let page = first; page <= last && page < pages; page++) if (this.isTaken(page)) return page
    return undefined
  }

  *#below(number: bigint, levels: number, keys: Keys): Generator<TreeEntry, void> {
    const page = this.#page(number, levels === 1 ? flags.leaf : flags.branch)
    for (const [index, at] of [...this.#nodes(page)].entries()) {
      const key = this.#keyAt(page, at)
      if (levels > 1) {
        // The first key of a branch is not used.
        if (index > 0 && !keys.separates(key)) throw new PageDamage(number, 'keys out of order')
        yield* this.#below(this.#childAt(page, at), levels - 1, keys)
      } else {
        if (!keys.follows(key)) throw new PageDamage(number, 'keys out of order')
        yield { key, value: this.#valueAt(page, at), page: number }
      }
    }
  }

  /** Reads a page that must be of one sort and nobody else's. */
  #page(number: bigint, sort: number): Page {
    this.#take(number)
    const { pageBytes, little } = this.#source
    const bytes = Buffer.allocUnsafe(pageBytes)
    this.#read(number, bytes, 0)
    const view = viewOf(bytes)
    if (view.getBigUint64(0, little) !== number) throw new PageDamage(number, 'another number')
    if (view.getUint16(18, little) !== sort) throw new PageDamage(number, 'another kind of page')
    return { number, bytes }
  }

  #take(number: bigint): void {
    if (this.isTaken(number)) throw new PageDamage(number, 'used twice, or beyond the end')
    if (number >= BigInt(this.#source.pages)) throw new PageDamage(number, 'cut off')
    const at = Number(number >> 3n)
    this.#seen[at] = (this.#seen[at] ?? 0) | (1 << Number(number & 7n))
  }

  #read(number: bigint, into: Uint8Array, skip: number): void {
    const position = Number(number) * this.#source.pageBytes + skip
    if (this.#source.read(into, position) < into.length) throw new PageDamage(number, 'cut off')
  }

  /** Where the nodes of a page stand in it, in order. */
  *#nodes({ number, bytes }: Page): Generator<number, void> {
    const view = viewOf(bytes)
    const { little } = this.#source
    const lower = view.getUint16(20, little)
    const upper = view.getUint16(22, little)
    if (lower % 2 !== 0 || lower > upper || headerBytes + upper > bytes.length)
      throw new PageDamage(number, 'impossible bounds')
    for (let at = 0; at < lower; at += 2) {
      const node = headerBytes + view.getUint16(headerBytes + at, little)
      if (node < headerBytes + upper || node + nodeBytes > bytes.length)
        throw new PageDamage(number, 'an entry outside of it')
      yield node
    }
  }

  #keyAt({ number, bytes }: Page, node: number): Buffer {
    const length = viewOf(bytes).getUint16(node + 6, this.#source.little)
    const start = node + nodeBytes
    if (start + length > bytes.length) throw new PageDamage(number, 'a key outside of it')
    return bytes.subarray(start, start + length)
  }

  #childAt({ bytes }: Page, node: number): bigint {
    const view = viewOf(bytes)
    const { little } = this.#source
    const [low, high] = little ? [node, node + 2] : [node + 2, node]
    const words = [view.getUint16(low, little), view.getUint16(high, little)] as const
    const top = view.getUint16(node + 4, little)
    return BigInt(words[0]) | (BigInt(words[1]) << 16n) | (BigInt(top) << 32n)
  }

  #valueAt(page: Page, node: number): Buffer {
    const { number, bytes } = page
    const view = viewOf(bytes)
    const { little } = this.#source
    const [low, high] = little ? [node, node + 2] : [node + 2, node]
    const length = view.getUint16(low, little) + view.getUint16(high, little) * 65_536
    const start = node + nodeBytes + view.getUint16(node + 6, little)
    const sort = view.getUint16(node + 4, little)
    if (sort !== 0 && sort !== bigData) throw new PageDamage(number, 'an entry of another sort')
    const end = start + (sort === bigData ? overflowBytes : length)
    if (end > bytes.length) throw new PageDamage(number, 'a value outside of it')
    if (sort === 0) return bytes.subarray(start, end)
    return this.#overflow(
      view.getBigUint64(start, little),
      view.getBigUint64(start + 16, little),
      length,
    )
  }

  /** A value that has pages of its own. */
  #overflow(first: bigint, pages: bigint, length: number): Buffer {
    const { pageBytes, lastPage, little } = this.#source
    const room = pages * BigInt(pageBytes) - BigInt(headerBytes)
    if (pages < 1n || first + pages - 1n > lastPage || BigInt(length) > room)
      throw new PageDamage(first, 'a value outside of it')
    for (let number = first; number < first + pages; number++) this.#take(number)
    const header = Buffer.allocUnsafe(headerBytes)
    this.#read(first, header, 0)
    const view = viewOf(header)
    const isOne =
      view.getBigUint64(0, little) === first && view.getUint16(18, little) === flags.overflow
    if (!isOne || BigInt(view.getUint32(20, little)) !== pages)
      throw new PageDamage(first, 'another kind of page')
    const value = Buffer.allocUnsafe(length)
    this.#read(first, value, headerBytes)
    return value
  }
}

/** Tells whether keys come in order, and on the sides of those that branches name. */
class Keys {
  readonly #order: Order
  #last: Buffer | undefined
  /** What the branch above says of all that is still to come. */
  #least: Buffer | undefined

  constructor(order: Order) {
    this.#order = order
  }

  /** Whether all keys so far come before this one of a branch. */
  separates(key: Buffer): boolean {
    this.#least = key
    return this.#last === undefined || this.#order(this.#last, key) < 0
  }

  /** Whether this one may be the next. */
  follows(key: Buffer): boolean {
    const isNext = this.#last === undefined || this.#order(this.#last, key) < 0
    this.#last = key
    return isNext && (this.#least === undefined || this.#order(this.#least, key) <= 0)
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

import { hash } from 'node:crypto'
import { chmod, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@heddle/interface'
import { expect } from 'chai'
import { diskStorage } from '../../../src/storage/disk-storage.ts'
import { LedgerError, openLedger } from '../../../src/index.ts'
import type { KeyValueStore } from '../../../src/index.ts'
import { lmdbDamage } from '../../../src/storage/lmdb-file.ts'
import { makeTestChain } from '../../../src/testing.ts'
import { temporaryDirectory } from '../../places.ts'

const pageBytes = 4096

/** What may have become of the file of a database. */
const damages: Record<string, { is: RegExp; to: (file: string) => Promise<void> }> = {
  'other bytes': { is: /first pages/, to: (file) => writeFile(file, Buffer.alloc(1 << 16, 0x5a)) },
  zeros: { is: /first pages/, to: (file) => writeFile(file, Buffer.alloc(1 << 16)) },
  'a first page alone': { is: /first pages/, to: (file) => truncate(file, pageBytes) },
  'a piece of a page': { is: /first pages/, to: (file) => truncate(file, 100) },
  'another second page': {
    is: /first pages/,
    to: async (file) =>
      writeFile(file, (await readFile(file)).fill(0x5a, pageBytes, 2 * pageBytes)),
  },
  'an end cut off': {
    is: /page \d+ of \d+: cut off/,
    to: async (file) => truncate(file, (await readFile(file)).length - pageBytes),
  },
  'an empty page': {
    is: /page 2 of \d+: another number/,
    to: async (file) =>
      writeFile(file, (await readFile(file)).fill(0, 2 * pageBytes, 3 * pageBytes)),
  },
}

/** Whole numbers below what is asked for, always the same for a seed. */
function xorshift(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Keeps the warnings that it is given. */
class RecordingLogger implements Logger {
  readonly warnings: string[] = []
  warn(message: string, fields?: object): void {
    this.warnings.push(`${message} ${JSON.stringify(fields)}`)
  }
  debug(): void {
    /* not of interest */
  }
  info(): void {
    /* not of interest */
  }
  error(): void {
    /* not of interest */
  }
  child(): Logger {
    return this
  }
}

const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value).toString()

describe('the file of a database', () => {
  let dir: string
  const chain = makeTestChain(5)
  beforeEach(async () => {
    dir = await temporaryDirectory()
    const ledger = await openLedger({ dir })
    for (const record of chain) await ledger.append(record)
    await ledger.state.apply(1n, 1n, [{ namespace: 'n', key: 'k', value: Buffer.from('v') }])
    await ledger.close()
  })
  afterEach(() => rm(dir, { recursive: true }))

  it('has no damage when it was closed, is empty or is not there', async () => {
    expect(lmdbDamage(join(dir, 'index'))).to.equal(undefined)
    expect(lmdbDamage(join(dir, 'state'))).to.equal(undefined)
    await writeFile(join(dir, 'data.mdb'), '')
    expect(lmdbDamage(dir)).to.equal(undefined)
    expect(lmdbDamage(join(dir, 'nowhere'))).to.equal(undefined)
  })

  for (const [name, { is, to }] of Object.entries(damages)) {
    it(`is known to be damaged: ${name}; the index is rebuilt, and one line says so`, async () => {
      await to(join(dir, 'index', 'data.mdb'))
      expect(lmdbDamage(join(dir, 'index'))).to.match(is)
      const logger = new RecordingLogger()
      const ledger = await openLedger({ dir, logger }, { verifyOnOpen: 'tail' })
      expect(logger.warnings).to.have.length(1)
      expect(logger.warnings[0])
        .to.match(/index damaged/)
        .and.to.match(is)
      expect(ledger.height).to.equal(5n)
      expect(ledger.txLocation(chain[4]!.txIds[1]!)).to.deep.equal({ block: 4n, index: 1 })
      expect(Buffer.from((await ledger.block(2n))!).equals(chain[2]!.block)).to.equal(true)
      await ledger.close()
    })

    it(`is known to be damaged: ${name}; the state is moved aside and begins empty, and one line says so`, async () => {
      await to(join(dir, 'state', 'data.mdb'))
      const logger = new RecordingLogger()
      const ledger = await openLedger({ dir, logger })
      expect(logger.warnings).to.have.length(1)
      expect(logger.warnings[0])
        .to.match(/state damaged/)
        .and.to.match(is)
        .and.to.include(join(dir, 'state-damaged'))
      expect(ledger.state.savepoint.height).to.equal(0n)
      await ledger.state.apply(1n, 1n, [{ namespace: 'n', key: 'k', value: Buffer.from('w') }])
      await ledger.close()
      const again = await openLedger({ dir })
      expect(text(again.state.get('n', 'k'))).to.equal('w')
      await again.close()
      expect(await readdir(join(dir, 'state-damaged'))).to.include('data.mdb')
    })
  }

  it('is opened after every commit', async () => {
    const place = join(dir, 'other')
    for (let round = 0; round < 20; round += 1) {
      const store = await diskStorage.openKeyValues(place, 'synced')
      const changes = Array.from({ length: 50 }, (_, at) => ({
        key: Buffer.from(`${at}`),
        value: round % 3 === 2 ? undefined : Buffer.alloc(1_000 * round, round),
      }))
      store.commit(changes)
      await store.close()
      expect(lmdbDamage(place)).to.equal(undefined)
    }
  })

  it('tells when a value changes while the database is open', async () => {
    const ledger = await openLedger({ dir })
    const file = join(dir, 'state', 'data.mdb')
    const bytes = await readFile(file)
    const at = bytes.lastIndexOf('en\0kv')
    expect(at).to.be.greaterThan(0)
    const handle = await open(file, 'r+')
    await handle.write(Buffer.from('x'), 0, 1, at + 4)
    await handle.close()
    expect(() => ledger.state.get('n', 'k'))
      .to.throw(LedgerError)
      .with.property('code', 'LEDGER_CORRUPT')
    await ledger.close()
  })

  it('has its file of locks made anew, whatever that holds', async () => {
    const locks = ['state', 'index'].map((part) => join(dir, part, 'lock.mdb'))
    for (const path of locks) {
      await writeFile(path, Buffer.alloc(8192, 0x5a))
      await chmod(path, 0o444)
    }
    const ledger = await openLedger({ dir })
    expect(text(ledger.state.get('n', 'k'))).to.equal('v')
    // Root may write to either, so that opening alone shows nothing.
    for (const path of locks)
      expect((await stat(path)).mode & 0o200, 'may be written').to.equal(0o200)
    await ledger.close()
  })
})

/** All that a database holds. */
function contentOf(store: KeyValueStore): string[] {
  const all = store.range(Buffer.from([0]), Buffer.from([255]), Number.MAX_SAFE_INTEGER)
  return Array.from(all, ({ key, value }) => `${String(key)} ${hash('sha256', value, 'hex')}`)
}

describe('a database with branches, values of several pages and free pages', () => {
  let dir: string
  let whole: Buffer
  let content: string[]
  before(async () => {
    dir = await temporaryDirectory()
    const store = await diskStorage.openKeyValues(dir, 'synced')
    const random = xorshift(7)
    for (let round = 0; round < 30; round += 1) {
      const changes = new Map<string, Buffer | undefined>()
      for (let change = 0; change < 8; change += 1) {
        const key = `${random(40)}`.padEnd(1 + random(1_000), 'k')
        const length = random(5) === 0 ? 5_000 + random(9_000) : random(400)
        changes.set(key, random(4) === 0 ? undefined : Buffer.alloc(length, round))
      }
      store.commit(Array.from(changes, ([key, value]) => ({ key: Buffer.from(key), value })))
    }
    content = contentOf(store)
    await store.close()
    whole = await readFile(join(dir, 'data.mdb'))
  })
  after(() => rm(dir, { recursive: true }))

  /** Puts the bytes in its place; when they pass for whole, what LMDB reads must be what was stored. */
  async function judge(bytes: Uint8Array, what: string): Promise<boolean> {
    await writeFile(join(dir, 'data.mdb'), bytes)
    if (lmdbDamage(dir) !== undefined) return true
    const store = await diskStorage.openKeyValues(dir, 'synced')
    expect(contentOf(store), what).to.deep.equal(content)
    await store.close()
    return false
  }

  it('is seen to be damaged, or reads as before, whatever page becomes empty, random or another', async () => {
    const pages = whole.length / pageBytes
    const random = xorshift(11)
    let seen = 0
    for (let page = 0; page < pages; page += 1) {
      const other = (page + 1 + random(pages - 1)) % pages
      const by = [
        Buffer.alloc(pageBytes),
        Buffer.from(Array.from({ length: pageBytes }, () => random(256))),
        whole.subarray(other * pageBytes, (other + 1) * pageBytes),
      ]
      for (const [kind, replacement] of by.entries()) {
        const bytes = Buffer.from(whole)
        bytes.set(replacement, page * pageBytes)
        if (await judge(bytes, `page ${page}, kind ${kind}`)) seen += 1
      }
    }
    expect(seen).to.be.greaterThan(pages)
  })

  it('is seen to be damaged, or reads as before, wherever it is cut', async () => {
    for (let size = 1; size < whole.length; size += 4_093) {
      await judge(whole.subarray(0, size), `cut at ${size}`)
    }
  })

  it('is seen to be damaged, or reads as before, whatever bit of it changes', async () => {
    const random = xorshift(13)
    let seen = 0
    for (let round = 0; round < 400; round += 1) {
      const bytes = Buffer.from(whole)
      const at = random(whole.length)
      bytes[at] = bytes[at]! ^ (1 << random(8))
      if (await judge(bytes, `bit of byte ${at}`)) seen += 1
    }
    expect(seen).to.be.greaterThan(100)
  })
})

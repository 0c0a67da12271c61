import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { diskStorage } from '../../src/disk-storage.ts'
import { LedgerError, openLedger } from '../../src/index.ts'
import { lmdbDamage } from '../../src/lmdb-file.ts'
import { makeTestChain } from '../../src/testing.ts'
import { temporaryDirectory } from '../places.ts'

const pageBytes = 4096

/** What may have become of the file of a database. */
const damages: Record<string, { is: string; to: (file: string) => Promise<void> }> = {
  'other bytes': { is: 'garbage', to: (file) => writeFile(file, Buffer.alloc(1 << 16, 0x5a)) },
  zeros: { is: 'garbage', to: (file) => writeFile(file, Buffer.alloc(1 << 16)) },
  'a first page alone': { is: 'garbage', to: (file) => truncate(file, pageBytes) },
  'a piece of a page': { is: 'garbage', to: (file) => truncate(file, 100) },
  'another second page': {
    is: 'garbage',
    to: async (file) =>
      writeFile(file, (await readFile(file)).fill(0x5a, pageBytes, 2 * pageBytes)),
  },
  'an end cut off': {
    is: 'short',
    to: async (file) => truncate(file, (await readFile(file)).length - pageBytes),
  },
}

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
    expect(await lmdbDamage(join(dir, 'index'))).to.equal(undefined)
    expect(await lmdbDamage(join(dir, 'state'))).to.equal(undefined)
    await writeFile(join(dir, 'data.mdb'), '')
    expect(await lmdbDamage(dir)).to.equal(undefined)
    expect(await lmdbDamage(join(dir, 'nowhere'))).to.equal(undefined)
  })

  for (const [name, { is, to }] of Object.entries(damages)) {
    it(`is known to be damaged: ${name}; the index is made again`, async () => {
      await to(join(dir, 'index', 'data.mdb'))
      expect(await lmdbDamage(join(dir, 'index'))).to.equal(is)
      const ledger = await openLedger({ dir }, { verifyOnOpen: 'tail' })
      expect(ledger.height).to.equal(5n)
      expect(ledger.txLocation(chain[4]!.txIds[1]!)).to.deep.equal({ block: 4n, index: 1 })
      expect(Buffer.from((await ledger.block(2n))!).equals(chain[2]!.block)).to.equal(true)
      await ledger.close()
    })
  }

  it('of the state is not opened when it is none, which is said with the cure', async () => {
    const file = join(dir, 'state', 'data.mdb')
    await writeFile(file, Buffer.alloc(1 << 16, 0x5a))
    const error = await openLedger({ dir }).catch((cause: unknown) => cause)
    expect(error).to.be.instanceOf(LedgerError).with.property('code', 'LEDGER_CORRUPT')
    expect((error as LedgerError).message)
      .to.include(file)
      .and.to.include('move')
    await rm(join(dir, 'state'), { recursive: true })
    const ledger = await openLedger({ dir })
    expect(ledger.height).to.equal(5n)
    expect(ledger.state.savepoint.height).to.equal(0n)
    await ledger.close()
  })

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
      expect(await lmdbDamage(place)).to.equal(undefined)
    }
  })
})

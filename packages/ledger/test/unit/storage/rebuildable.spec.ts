import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { diskStorage } from '../../../src/storage/disk-storage.ts'
import { openLedger } from '../../../src/index.ts'
import type { KeyValueStore } from '../../../src/index.ts'
import { bootId } from '../../../src/storage/process-lock.ts'
import { makeTestChain } from '../../../src/testing.ts'
import { temporaryDirectory } from '../../places.ts'

const key = Buffer.from('key')
const value = Buffer.from('value')
const text = (store: KeyValueStore): string | undefined => {
  const found = store.get(key)
  return found && Buffer.from(found).toString()
}

describe('key-value store that can be made again', () => {
  let dir: string
  let marker: string
  beforeEach(async () => {
    dir = await temporaryDirectory()
    marker = join(dir, 'boot')
  })
  afterEach(() => rm(dir, { recursive: true }))
  const open = (): Promise<KeyValueStore> => diskStorage.openKeyValues(dir, 'rebuildable')

  it('keeps its content when it was closed, and says so beside it', async () => {
    const store = await open()
    expect(await readFile(marker, 'utf8')).to.equal(await bootId())
    store.commit([{ key, value }])
    await store.close()
    expect(await readFile(marker, 'utf8')).to.equal('clean')
    const again = await open()
    expect(await readFile(marker, 'utf8'), 'while it is open').to.equal(await bootId())
    expect(text(again)).to.equal('value')
    await again.close()
  })

  it('keeps its content when it was not closed, in the same boot of the machine', async () => {
    const store = await open()
    store.commit([{ key, value }])
    await store.close()
    await writeFile(marker, (await bootId())!)
    const again = await open()
    expect(text(again)).to.equal('value')
    await again.close()
  })

  it('is empty when it was not closed in another boot, or nobody knows', async () => {
    for (const content of ['another boot', '', undefined]) {
      const store = await open()
      store.commit([{ key, value }])
      await store.close()
      if (content === undefined) await rm(marker)
      else await writeFile(marker, content)
      const again = await open()
      expect(text(again), String(content)).to.equal(undefined)
      await again.close()
    }
  })

  it('has its ledger index the blocks again', async () => {
    const chain = makeTestChain(5)
    const ledger = await openLedger({ dir })
    for (const record of chain) await ledger.append(record)
    await ledger.close()
    await writeFile(join(dir, 'index', 'boot'), 'another boot')
    const again = await openLedger({ dir }, { verifyOnOpen: 'tail' })
    expect(again.txLocation(chain[3]!.txIds[1]!)).to.deep.equal({ block: 3n, index: 1 })
    expect(Buffer.from((await again.block(3n))!).equals(chain[3]!.block)).to.equal(true)
    await again.close()
  })
})

for (const durability of ['synced', 'rebuildable'] as const) {
  describe(`key-value store on a disk, ${durability}`, () => {
    it('commits, removes, ranges in order and clears', async () => {
      const dir = await temporaryDirectory()
      const store = await diskStorage.openKeyValues(dir, durability)
      const change = (name: string, content: string | undefined) => ({
        key: Buffer.from(name),
        value: content === undefined ? undefined : Buffer.from(content),
      })
      store.commit([change('b', '1'), change('a', '2'), change('c', '3')])
      store.commit([change('c', undefined), change('d', '4'), change('a', '5')])
      const all = [...store.range(Buffer.from('a'), Buffer.from('z'), 10)]
      expect(all.map((entry) => `${String(entry.key)}=${String(entry.value)}`)).to.deep.equal([
        'a=5',
        'b=1',
        'd=4',
      ])
      expect([...store.range(Buffer.from('b'), Buffer.from('d'), 10)].length).to.equal(1)
      expect([...store.range(Buffer.from('a'), Buffer.from('z'), 2)].length).to.equal(2)
      store.clear()
      expect(store.get(Buffer.from('a'))).to.equal(undefined)
      await store.close()
      await rm(dir, { recursive: true })
    })
  })
}

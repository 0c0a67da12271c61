import { expect } from 'chai'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exitCodeOf, exitCodes } from '../../src/exit-status.ts'
import { claimDataFolder, dataFormat, ownerFile } from '../../src/node/data-owner.ts'
import type { PeerError } from '../../src/errors.ts'

// The kind: what only one may use, taken by another who found it in his way.
describe('the owner of a data folder', () => {
  const owner = { channelId: 'ch', genesis: 'ab'.repeat(32), consenter: 2, mspId: 'Org2MSP' }
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-owner-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  const refusal = async (as = owner): Promise<PeerError> => {
    const error: unknown = await claimDataFolder(dir, as).catch((cause: unknown) => cause)
    expect(error).to.have.property('code', 'PEER_WRONG_FOLDER')
    expect(exitCodeOf(error)).to.equal(exitCodes.config)
    return error as PeerError
  }

  it('is whoever opened it first, and stays so', async () => {
    await claimDataFolder(join(dir, 'new', 'data'), owner)
    await claimDataFolder(dir, owner)
    const stored = await readFile(join(dir, ownerFile), 'utf8')
    expect(JSON.parse(stored)).to.deep.equal({ format: dataFormat, ...owner })
    await claimDataFolder(dir, owner)
    expect(await readFile(join(dir, ownerFile), 'utf8')).to.equal(stored)
  })

  it('is not another consenter, organisation, channel or chain: both are named', async () => {
    await claimDataFolder(dir, owner)
    const others = [
      { ...owner, consenter: 3 },
      { ...owner, mspId: 'Org3MSP' },
      { ...owner, channelId: 'other' },
      { ...owner, genesis: 'cd'.repeat(32) },
      { ...owner, genesis: `${'ab'.repeat(31)}ac` },
    ]
    for (const other of others) {
      const { message, cure } = await refusal(other)
      expect(message).to.include(dir).and.to.include('consenter 2 (Org2MSP) of channel ch')
      expect(message).to.include(`consenter ${other.consenter} (${other.mspId})`)
      expect(message, 'where they differ').to.include(owner.genesis).and.to.include(other.genesis)
      expect(cure).to.include('peer.fileSystemPath')
    }
    await claimDataFolder(dir, owner)
  })

  it('is not told by a damaged file, nor by one of a later version', async () => {
    const path = join(dir, ownerFile)
    for (const text of ['', '{', 'null', '[]', '{"format":"1"}', '{"format":1}']) {
      await writeFile(path, text)
      expect((await refusal()).message, text).to.include(path)
    }
    for (const genesis of [`'${owner.genesis.slice(1)}`, owner.genesis.slice(1), 7]) {
      await writeFile(path, JSON.stringify({ format: dataFormat, ...owner, genesis }))
      expect((await refusal()).message, String(genesis)).to.include('it is damaged')
    }
    await writeFile(path, JSON.stringify({ format: dataFormat + 1, ...owner }))
    expect((await refusal()).message).to.include(`format ${dataFormat + 1}`)
  })
})

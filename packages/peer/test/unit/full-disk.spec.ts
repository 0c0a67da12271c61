import { expect } from 'chai'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { systemClock } from '@heddle/events'
import { prepareNetwork } from '../../src/network/prepare.ts'
import { claimDataFolder, ownerFile } from '../../src/node/data-owner.ts'

/** Linux: whatever is written into it finds no room. */
const full = '/dev/full'

// A write that fails names no file, unlike opening one.
;(process.platform === 'linux' ? describe : describe.skip)('a disk without room', function () {
  this.timeout(60_000)
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-full-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  async function expectNamed(path: string, writing: () => Promise<unknown>): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    await symlink(full, path)
    const error: unknown = await writing().catch((cause: unknown) => cause)
    expect(error).to.have.property('code', 'PEER_DISK_FULL')
    const file = path.replace(/\.new$/, '')
    expect(error)
      .to.have.property('message')
      .that.matches(/^no room to write /)
      .and.includes(file)
  }

  it('is named with the file that says whose a data folder is', () =>
    expectNamed(join(dir, `${ownerFile}.new`), () =>
      claimDataFolder(dir, {
        ...{ channelId: 'ch', genesis: 'ab'.repeat(32), consenter: 2, mspId: 'Org2MSP' },
      }),
    ))

  for (const file of ['genesis.block.new', 'network.json.new', 'validators/validator0/peer.yaml'])
    it(`is named with the file of a network: ${file}`, () =>
      expectNamed(join(dir, file), () =>
        prepareNetwork(
          {
            ...{ dir, validators: 4, basePort: undefined, accounts: new Map<string, bigint>() },
            ...{ batchSize: 10, batchTimeoutMs: 10, loggingSpec: 'info' },
          },
          systemClock,
        ),
      ))
})

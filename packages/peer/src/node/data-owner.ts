import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerError, systemCode } from '../errors.ts'
import { naming } from '../system-error.ts'

/** The file that says whose data a folder holds. */
export const ownerFile = 'owner.json'

/** The form of what a data folder holds; a later number is not read. */
export const dataFormat = 1

/**
 * Who keeps its data in a folder: a journal holds the votes of one consenter of one chain, and in the
 * hands of another it would break the promises of both. A renewed certificate changes nothing of it.
 */
export interface DataOwner {
  readonly channelId: string
  /** Hash of the header of block 0, hexadecimal. */
  readonly genesis: string
  /** Number of the consenter in the genesis block, from 1. */
  readonly consenter: number
  readonly mspId: string
}

interface Stored extends DataOwner {
  readonly format: number
}

function describe({ consenter, mspId, channelId, genesis }: DataOwner): string {
  return `consenter ${consenter} (${mspId}) of channel ${channelId} with genesis block ${genesis}`
}

function parse(text: string, path: string): Stored {
  try {
    const stored = JSON.parse(text) as Partial<Stored> | null
    const isHash = /^[0-9a-f]{64}$/.test(stored?.genesis ?? '')
    if (typeof stored?.format === 'number' && isHash) return stored as Stored
  } catch {
    // Said below.
  }
  throw new PeerError(
    'PEER_WRONG_FOLDER',
    `${path} does not say whose data this is: it is damaged`,
    {
      cure: 'when you know that the folder is of this validator, remove this one file and start again',
    },
  )
}

async function readOwner(path: string): Promise<Stored | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  return text === undefined ? undefined : parse(text, path)
}

/** All of it, or nothing, survives a power loss. */
async function writeOwner(path: string, owner: DataOwner): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify({ format: dataFormat, ...owner })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

/**
 * Makes sure that a data folder is the owner's: one that nobody owns becomes so.
 *
 * @throws {PeerError} as {@link isOwned}; what the operating system refuses
 */
export async function claimDataFolder(dir: string, owner: DataOwner): Promise<void> {
  const path = join(dir, ownerFile)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  if (!(await isOwned(dir, owner))) await naming(path, writeOwner(path, owner))
}

/**
 * Whether a data folder is the owner's already; nothing is changed.
 *
 * @returns false when nobody owns it
 * @throws {PeerError} PEER_WRONG_FOLDER for another's, for one of a later version, and when the file
 *   that tells it is damaged; what the operating system refuses
 */
export async function isOwned(dir: string, owner: DataOwner): Promise<boolean> {
  const stored = await readOwner(join(dir, ownerFile))
  if (stored === undefined) return false
  if (stored.format > dataFormat) {
    const what = `${dir} is in format ${stored.format}; this version reads up to ${dataFormat}`
    throw new PeerError('PEER_WRONG_FOLDER', what, { cure: 'start the version that wrote it' })
  }
  if (describe(stored) === describe(owner)) return true
  throw new PeerError(
    'PEER_WRONG_FOLDER',
    `${dir} holds the data of ${describe(stored)}, not of ${describe(owner)}`,
    {
      cure:
        'give each validator its own peer.fileSystemPath; do not start one on a copy of another; ' +
        `if you know that only ${ownerFile} is damaged, remove this one file`,
    },
  )
}

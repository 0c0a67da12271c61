import { readFile } from 'node:fs/promises'
import { PeerError, systemCode } from './errors.ts'
import { explainSystemError } from './system-error.ts'

/** What a file is that a person named, and what to do when it is not there. */
export interface NamedFile {
  /** Default: `file`. */
  readonly what?: string
  readonly cure: string
}

/**
 * Reads a file that a person named.
 *
 * @throws {PeerError} PEER_FILE_MISSING; PEER_NO_ACCESS and others for what the operating system refuses
 */
export async function readNamed(path: string, { what = 'file', cure }: NamedFile): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw explainSystemError(error, path) ?? error
    throw new PeerError('PEER_FILE_MISSING', `no ${what} ${path}`, { cure, cause: error })
  }
}

/** The same, of a file that a setting names. */
export function readOf(key: string, path: string): Promise<Buffer> {
  return readNamed(path, { cure: `check ${key} in the configuration` })
}

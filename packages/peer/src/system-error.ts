import { getSystemErrorName } from 'node:util'
import { PeerError } from './errors.ts'
import type { PeerErrorCode } from './errors.ts'

/** What the operating system reported, as far as it says so. */
interface SystemError {
  /** `EACCES`. */
  readonly name: string
  readonly path: string | undefined
  /** `open`, `mkdir`. */
  readonly call: string | undefined
}

/** A kind of refusal of the operating system, and what it means for a person. */
interface Kind {
  readonly names: readonly string[]
  readonly code: PeerErrorCode
  readonly what: (where: string) => string
  readonly cure: string
}

const kinds: readonly Kind[] = [
  {
    names: ['EACCES', 'EPERM'],
    code: 'PEER_NO_ACCESS',
    what: (where) => `no permission for ${where}`,
    cure: 'give the user who runs heddle the right to read and write there, or choose another path',
  },
  {
    names: ['EROFS'],
    code: 'PEER_NO_ACCESS',
    what: (where) => `${where} is on a read-only file system`,
    cure: 'choose a folder that can be written, or mount the file system for writing',
  },
  {
    names: ['ENOTDIR', 'EEXIST', 'EISDIR', 'ENAMETOOLONG', 'ELOOP', 'ENOTEMPTY'],
    code: 'PEER_NO_ACCESS',
    what: (where) => `${where} cannot be used: a file is where a folder should be, or the reverse`,
    cure: 'check the path, or choose another folder',
  },
  {
    names: ['ENOENT'],
    code: 'PEER_FILE_MISSING',
    what: (where) => `no file ${where}`,
    cure: 'check the path; `heddle network up` makes again what belongs to a network',
  },
  {
    names: ['ENOSPC', 'EDQUOT', 'EFBIG'],
    code: 'PEER_DISK_FULL',
    what: (where) => `no room to write ${where}`,
    cure: 'free some space and start again: what was acknowledged is kept',
  },
  {
    names: ['EIO'],
    code: 'PEER_DISK_FULL',
    what: (where) => `the disk fails: ${where}`,
    cure: 'look at the log of the operating system; move the folder to another disk',
  },
  {
    names: ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM'],
    code: 'PEER_SYSTEM_LIMIT',
    what: (where) => `the operating system gives no more files, processes or memory for ${where}`,
    cure: 'raise the limits (`ulimit -n`, `ulimit -u`), or stop other programs',
  },
]

/** lmdb gives the number only. */
function nameOf(code: unknown): string | undefined {
  if (typeof code === 'string') return code
  if (typeof code !== 'number' || !Number.isInteger(code) || code <= 0) return undefined
  return getSystemErrorName(-code)
}

function systemErrorOf(error: unknown): SystemError | undefined {
  if (!(error instanceof Error) || error instanceof PeerError) return undefined
  const { code, path, syscall } = error as NodeJS.ErrnoException
  const name = nameOf(code)
  if (name === undefined) return undefined
  return { name, path, call: syscall }
}

/**
 * What a refusal of the operating system means for a person.
 * @param where - path, when the error itself names none
 * @returns undefined when `error` is none, or one that says nothing to a person
 */
export function explainSystemError(error: unknown, where?: string): PeerError | undefined {
  const found = systemErrorOf(error)
  const kind = kinds.find(({ names }) => found !== undefined && names.includes(found.name))
  if (found === undefined || kind === undefined) return undefined
  const { name, path, call } = found
  const named = path ?? where ?? 'the output or a file'
  const how = call === undefined ? name : `${name} in ${call}`
  return new PeerError(kind.code, `${kind.what(named)} (${how})`, { cure: kind.cure, cause: error })
}

/**
 * What a refusal of the operating system that made something fail means for a person. A file that
 * is missing is not among them: whoever looked for it knows better what it was.
 */
export function systemCauseOf(error: unknown, where?: string): PeerError | undefined {
  // Bounded: a chain of causes could be a circle.
  let cause = error
  for (let depth = 0; cause instanceof Error && depth < 5; depth++) {
    const found = explainSystemError(cause, where)
    if (found !== undefined && found.code !== 'PEER_FILE_MISSING') return found
    cause = cause.cause
  }
  return undefined
}

/** Waits for what writes a file: a refusal of the operating system names it, which a write does not. */
export async function naming<Value>(path: string, writing: Promise<Value>): Promise<Value> {
  try {
    return await writing
  } catch (error) {
    throw explainSystemError(error, path) ?? error
  }
}

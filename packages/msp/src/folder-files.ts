import { lstat, readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from '@heddle/interface'
import { MspError } from './errors.ts'
import { decodePem, pemBlocksIn } from './pem.ts'

/** Entries of one folder that are looked at; a folder with more is refused. */
export const maxFolderFiles = 1000
/** A longer file is not read, in bytes. */
export const maxFileBytes = 16 * 1024 * 1024

/** Refuses a folder or a file of it. */
export function invalid(detail: string, cause?: unknown): MspError {
  return new MspError('MSP_INVALID_FOLDER', detail, { cause })
}

/** What the file system calls its error. */
function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

/** What was not taken from an MSP folder, as Fabric only logs it: an error that follows tells it too. */
export class Skipped {
  readonly #logger: Logger | undefined
  readonly #said: string[] = []

  constructor(logger: Logger | undefined) {
    this.#logger = logger
  }

  /** @param path - of the file, its folder included */
  add(path: string, why: string): void {
    this.#said.push(`${path} ${why}`)
    this.#logger?.warn('a part of the MSP folder is not used', { path, why })
  }

  /** For the end of an error's message; empty when nothing was skipped. */
  toString(): string {
    return this.#said.length === 0 ? '' : `; not used: ${this.#said.join('; ')}`
  }
}

/** One entry of a folder: its content, or why it has none. */
export interface FolderEntry {
  /** Path, the folder included. */
  readonly path: string
  readonly name: string
  readonly content: Buffer | undefined
  /** Why there is no content: for people. */
  readonly why: string
}

/** Reads what an entry points to; undefined = a folder, which is nobody's business. */
async function entryOf(dir: string, name: string): Promise<FolderEntry | undefined> {
  const path = join(dir, name)
  const without = (why: string): FolderEntry => ({ path, name, content: undefined, why })
  try {
    const found = await stat(path)
    if (found.isDirectory()) return undefined
    if (!found.isFile()) return without('is not a regular file')
    if (found.size > maxFileBytes) return without(`is larger than ${maxFileBytes} bytes`)
    return { path, name, content: await readFile(path), why: '' }
  } catch (error) {
    return without(isMissing(error) ? 'is a link to nothing' : `cannot be read (${codeOf(error)})`)
  }
}

/**
 * The files of a folder, sorted by name as Go's ReadDir gives them. Everything is taken for what it
 * points to: Kubernetes mounts Secrets as links into a folder that `..data` points to.
 *
 * @returns undefined when there is no such folder
 * @throws MspError `MSP_INVALID_FOLDER` when it cannot be listed, or has more than
 *   {@link maxFolderFiles} entries
 */
export async function readFolder(dir: string): Promise<FolderEntry[] | undefined> {
  let names: string[]
  try {
    names = await readdir(dir)
  } catch (cause) {
    if (isMissing(cause) && !(await isDangling(dir))) return undefined
    throw invalid(`${dir} cannot be listed (${codeOf(cause)})`, cause)
  }
  if (names.length > maxFolderFiles) throw invalid(`${dir} has more than ${maxFolderFiles} files`)
  names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const entries: FolderEntry[] = []
  for (const name of names) {
    const entry = await entryOf(dir, name)
    if (entry !== undefined) entries.push(entry)
  }
  return entries
}

/** Whether something that cannot be found is a link. */
export async function isDangling(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink()
  } catch {
    return false
  }
}

/** A PEM file. */
export interface PemFile {
  readonly path: string
  readonly pem: Buffer
}

/**
 * The PEM files of a folder, of which the first block counts. What else lies there is skipped, as in
 * Fabric: silently when it is a hidden file (`.gitkeep`), else with a word.
 *
 * @see fabric v3.1.5 msp/configbuilder.go, getPemMaterialFromDir
 */
export async function readPems(dir: string, skipped: Skipped): Promise<PemFile[]> {
  const pems: PemFile[] = []
  for (const { path, name, content, why } of (await readFolder(dir)) ?? []) {
    if (content !== undefined && decodePem(content) !== undefined) {
      pems.push({ path, pem: content })
      const blocks = pemBlocksIn(content)
      if (blocks > 1) skipped.add(path, `holds ${blocks} PEM blocks, of which only one counts`)
    } else if (!name.startsWith('.')) skipped.add(path, content ? 'holds no PEM block' : why)
  }
  return pems
}

/** As {@link readPems}; but no list may be lost, for what it revokes would be trusted again. */
export async function readRevocationLists(dir: string): Promise<PemFile[]> {
  const lost = new Skipped(undefined)
  const pems = await readPems(dir, lost)
  const said = lost.toString()
  if (said !== '') {
    throw invalid(`${dir}: put each revocation list into a readable file of its own${said}`)
  }
  return pems
}

/** The content of a file; undefined when there is none. */
export async function readOptional(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if (isMissing(cause) && !(await isDangling(path))) return undefined
    throw invalid(`${path} cannot be read (${codeOf(cause)})`, cause)
  }
}

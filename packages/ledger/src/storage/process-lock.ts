import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { LedgerError, toLedgerError } from '../errors.ts'
import type { DirectoryLock } from './storage.ts'

/**
 * Takes a directory for this process alone, by a file `lock-<pid>-<birth>-<nonce>` in it.
 *
 * Everybody first puts down a file of his own, then looks at all of them: of two that overlap, the
 * one who looks later sees the other's, so both never get in. (Both may lose; then one tries again.)
 * Files of processes that are gone are removed. A process is told from a later one with its number by
 * its birth. It works among processes that see each other's numbers: not between containers or hosts.
 * In the file stands the directory that it was made in: whoever copies the directory copies the file.
 *
 * @throws LedgerError LEDGER_LOCKED with the other's pid; LEDGER_IO, LEDGER_DISK_FULL
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const birth = await birthOf(process.pid)
  const name = `lock-${process.pid}-${birth ?? ''}-${randomBytes(6).toString('hex')}`
  const path = join(directory, name)
  try {
    await writeFile(path, '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw toLedgerError(error, 'make the lock', path)
  }
  // It serves the message only: on a full disk the lock is taken without it.
  await writeFile(path, resolve(directory), { flag: 'r+' }).catch(() => undefined)
  const release = () => rm(path, { force: true })
  try {
    await refuseOthers(directory, name)
  } catch (error) {
    await release()
    throw toLedgerError(error, 'read the locks in', directory)
  }
  return { release }
}

/**
 * The process that has a directory of a ledger or a journal open, found without taking it or writing
 * anything. Another may take it in the next moment: whoever opens it is refused then.
 *
 * @returns its number; undefined when nobody has, or there is no such directory
 */
export async function directoryHolder(directory: string): Promise<number | undefined> {
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw toLedgerError(error, 'read the locks in', directory)
  })
  for (const name of names) {
    const lock = parseLock(name)
    if (lock !== undefined && (await isAlive(lock.pid, lock.birth))) return lock.pid
  }
  return undefined
}

function parseLock(name: string): { readonly pid: number; readonly birth: string } | undefined {
  const match = /^lock-(\d+)-([^-]*)-[0-9a-f]+$/.exec(name)
  return match === null ? undefined : { pid: Number(match[1]), birth: match[2] ?? '' }
}

async function refuseOthers(directory: string, own: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const lock = parseLock(name)
    if (lock === undefined || name === own) continue
    const { pid, birth } = lock
    if (await isAlive(pid, birth)) {
      const file = join(directory, name)
      throw new LedgerError('LEDGER_LOCKED', await lockedBy(pid, directory, file), { file, pid })
    }
    await rm(join(directory, name), { force: true })
  }
}

/** What is said of the lock `file` of a process that lives: of a copied one, what it is a copy of. */
async function lockedBy(pid: number, directory: string, file: string): Promise<string> {
  const madeIn = await readFile(file, 'utf8').catch(() => '')
  if (madeIn === '' || madeIn === resolve(directory))
    return `${directory} is in use by process ${pid}: stop it, or use another directory`
  return (
    `${file} says that process ${pid} uses ${madeIn}: if ${directory} is a copy of that directory, ` +
    `remove this file; if it is the same one, stop that process`
  )
}

/**
 * Whether a process may still write. One that was killed counts until its parent has waited for it:
 * before that, a thread of it may be in the middle of a write.
 */
async function isAlive(pid: number, birth: string): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it is there, and is somebody else's.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const now = await birthOf(pid)
  // Without a birth to compare, the number alone decides: rather refuse than let two in.
  return now === undefined || birth === '' || now === birth
}

/** The boot of this machine, other than every other one; absent where there is no such thing. */
export async function bootId(): Promise<string | undefined> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim()
  } catch {
    return undefined
  }
}

/**
 * When a process began, as a text that no other process with its number has: on Linux the boot and
 * the clock tick within it (proc(5), /proc/pid/stat field 22). Elsewhere known of ourselves only.
 */
async function birthOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const boot = (await bootId()) ?? ''
    // The second field is the command in parentheses and may hold spaces: count behind it.
    const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
    return `${boot.slice(0, 8)}.${tick}`
  } catch {
    return pid === process.pid ? `t${Math.round(performance.timeOrigin)}` : undefined
  }
}

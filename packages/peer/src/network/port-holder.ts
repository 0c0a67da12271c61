import { readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number
  /** As the system shortens it. */
  readonly name: string
}

/** The state "listening" in /proc/net/tcp (proc_net_tcp(5)). */
const listening = '0A'

/** Sockets that listen on a TCP port, by the number of their inode. */
async function socketsOn(port: number): Promise<Set<string>> {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) =>
    readFile(path, 'utf8').catch(() => ''),
  )
  const rows = (await Promise.all(tables)).flatMap((table) => table.trim().split('\n').slice(1))
  const inodes = rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/)
    const isOurs = state === listening && parseInt(local.split(':')[1] ?? '', 16) === port
    return isOurs ? [`socket:[${inode}]`] : []
  })
  return new Set(inodes)
}

async function holdsOne(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const folder = join('/proc', pid, 'fd')
  for (const name of await readdir(folder).catch(() => [])) {
    if (sockets.has(await readlink(join(folder, name)).catch(() => ''))) return true
  }
  return false
}

/**
 * Who listens on a TCP port of this machine, as Linux tells it in /proc.
 * @returns undefined where that cannot be told: elsewhere, and of processes of other users
 */
export async function portHolder(port: number): Promise<PortHolder | undefined> {
  const sockets = await socketsOn(port)
  if (sockets.size === 0) return undefined
  const names = await readdir('/proc').catch(() => [])
  for (const pid of names.filter((name) => /^\d+$/.test(name))) {
    if (!(await holdsOne(pid, sockets))) continue
    const name = await readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => '')
    return { pid: Number(pid), name: name.trim() }
  }
  return undefined
}

import { chmodSync, chownSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A user without rights of its own: `nobody`. */
const nobody = 65_534
/** Its group and others may go through a folder: the group of the process stays. */
const passable = 0o011

/** Lets everybody go through the folders above `dir`: temporary ones are often their owner's alone. @returns takes it back */
function openWayTo(dir: string): () => void {
  const closed: (readonly [string, number])[] = []
  for (let path = dirname(dir); path !== dirname(path); path = dirname(path)) {
    const { mode } = statSync(path)
    if ((mode & passable) === passable) continue
    chmodSync(path, mode | passable)
    closed.push([path, mode])
  }
  return () => {
    for (const [path, mode] of closed) chmodSync(path, mode)
  }
}

/** Runs `work` as a user that owns `dir` and may read no file with mode 0: root could. */
export async function asOwnerOf<T>(dir: string, work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work()
  chownSync(dir, nobody, nobody)
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    chownSync(join(dir, entry), nobody, nobody)
  const closeWay = openWayTo(dir)
  process.seteuid?.(nobody)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
    closeWay()
  }
}

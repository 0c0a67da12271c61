import { chownSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A user without rights of its own: `nobody`. */
const nobody = 65_534

/** Runs `work` as a user that owns `dir` and may read no file with mode 0: root could. */
export async function asOwnerOf<T>(dir: string, work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work()
  chownSync(dir, nobody, nobody)
  for (const entry of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    chownSync(join(dir, entry), nobody, nobody)
  process.seteuid?.(nobody)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}

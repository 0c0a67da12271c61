import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../errors.ts'

/** A mark this young belongs to an owner that does not listen yet. */
const startingMs = 5000

/** What the system says when the folder of the mark is somebody's; Windows says the last. */
const takenCodes: ReadonlySet<string | undefined> = new Set(['ENOTEMPTY', 'EEXIST', 'EPERM'])

/** The folder with the mark. */
const markFolder = 'network.owner'

/** A mark: the process and a nonce. */
const markPattern = /^(\d+)-[0-9a-f]+$/

/**
 * Makes this process the owner of `dir`, if nobody else is.
 *
 * The folder of the mark is moved there with the mark in it, which the system does only where there
 * is none or an empty one: of many who come at once, one succeeds. The mark of an owner that is gone
 * is removed by its name, which no other mark has, so nobody removes that of a successor.
 *
 * @param isRunning - whether the owner, whoever it is, can be talked to
 * @returns gives it up again; undefined when somebody else owns the folder
 */
export async function ownFolder(
  dir: string,
  isRunning: () => Promise<boolean>,
): Promise<(() => Promise<void>) | undefined> {
  const folder = join(dir, markFolder)
  const mark = `${process.pid}-${randomBytes(6).toString('hex')}`
  const made = await mkdtemp(`${folder}-`)
  try {
    await writeFile(join(made, mark), '')
    const owned =
      (await moved(made, folder)) ||
      ((await cleared(folder, isRunning)) && (await moved(made, folder)))
    if (!owned) return undefined
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  return () => removeMark(folder, mark)
}

async function moved(made: string, folder: string): Promise<boolean> {
  try {
    await rename(made, folder)
    return true
  } catch (error) {
    if (takenCodes.has(systemCode(error))) return false
    throw error
  }
}

/** Removes the mark of an owner that is gone. @returns false when it is not */
async function cleared(folder: string, isRunning: () => Promise<boolean>): Promise<boolean> {
  const marks = await marksIn(folder)
  for (const mark of marks) if (await isStarting(folder, mark)) return false
  // In this order: between starting and running it is never neither.
  if (await isRunning()) return false
  for (const mark of marks) await removeMark(folder, mark)
  return true
}

async function marksIn(folder: string): Promise<string[]> {
  // Without the folder, it was given up meanwhile.
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => markPattern.test(name))
}

async function isStarting(folder: string, mark: string): Promise<boolean> {
  try {
    const age = Date.now() - (await stat(join(folder, mark))).mtimeMs
    process.kill(Number(markPattern.exec(mark)?.[1]), 0)
    return age <= startingMs
  } catch {
    // Given up meanwhile, or no such process.
    return false
  }
}

async function removeMark(folder: string, mark: string): Promise<void> {
  await rm(join(folder, mark), { force: true })
  // Unless it is somebody else's by now.
  await rmdir(folder).catch(() => undefined)
}

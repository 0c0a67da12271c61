import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'

/** A line of a log that does not come from a logger. */
export interface ForeignLine {
  readonly level: 'warn' | 'error'
  /** Milliseconds since 1970-01-01 UTC. */
  readonly time: number
  /** `peer.id`; undefined where it is not known. */
  readonly peer?: string | undefined
  readonly logger: string
  readonly msg: string
}

/** Characters kept of a line that was torn, or that something else than a logger wrote. */
export const maxForeignText = 8192

/** The line as the loggers write theirs: a JSON object and a line feed. */
export function foreignLine({ time, msg, ...line }: ForeignLine): string {
  const { level, ...rest } = line
  const text = msg.slice(0, maxForeignText)
  return `${JSON.stringify({ level, time: new Date(time).toISOString(), ...rest, msg: text })}\n`
}

/** How much is read at a time, from the end on, to find the last line feed. */
const chunkBytes = 64 * 1024

/** Where the last line begins that has no line feed; the size of the file when there is none. */
function tornAt(fd: number, size: number): number {
  const chunk = Buffer.alloc(chunkBytes)
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - chunkBytes)
    const read = readSync(fd, chunk, 0, end - begin, begin)
    const at = chunk.subarray(0, read).lastIndexOf('\n')
    if (at !== -1) return begin + at + 1
    end = begin
  }
  return 0
}

/**
 * Makes a log whole whose last line was torn, by a crash or a full disk: what is there of it becomes the
 * text of a line, so that every line is valid JSON and nothing is lost.
 *
 * @param path - of the file; one that is not there, or no file, is left alone
 * @throws Node's errors of the file system
 */
export function mendLog(path: string, time: number): void {
  const fd = openExisting(path)
  if (fd === undefined) return
  try {
    const status = fstatSync(fd)
    if (!status.isFile()) return
    const begin = tornAt(fd, status.size)
    if (begin === status.size) return
    const torn = Buffer.alloc(Math.min(status.size - begin, maxForeignText))
    readSync(fd, torn, 0, torn.length, begin)
    const msg = `a line was torn: ${torn.toString()}`
    const line = foreignLine({ level: 'warn', time, logger: 'logging', msg })
    ftruncateSync(fd, begin)
    writeSync(fd, line, begin)
  } finally {
    closeSync(fd)
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, 'r+')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

import { closeSync, constants, createReadStream, fstatSync, openSync } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import type { Stats } from 'node:fs'
import type { Readable } from 'node:stream'
import { ReadStream, isatty } from 'node:tty'
import { PeerError, systemCode } from '../errors.ts'
import { explainSystemError } from '../system-error.ts'

/** Longest line of an input, in bytes, without its end. */
export const maxLineBytes = 512 * 1024

/** A line of the input: its number from 1, and its bytes, or what is wrong with it. */
export type InputLine =
  | { readonly number: number; readonly text: string; readonly problem?: undefined }
  | { readonly number: number; readonly text?: undefined; readonly problem: string }

const newline = 10
const space = 32

/** Bytes read from a file at once. */
export const readBytes = 256 * 1024

const decoder = new TextDecoder('utf-8', { fatal: true })

function lineOf(number: number, bytes: Uint8Array): InputLine | undefined {
  try {
    // Decoding also takes a byte order mark off the first line.
    const text = decoder.decode(bytes).trim()
    return text === '' ? undefined : { number, text }
  } catch {
    return { number, problem: 'not UTF-8' }
  }
}

/** Cuts a stream of bytes into lines, holding at most one line of `maxBytes`. */
class LineCutter {
  readonly #maxBytes: number
  #number = 0
  #held: Buffer[] = []
  #heldBytes = 0
  #tooLong = false

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The lines that end in `chunk`. */
  push(chunk: Buffer): InputLine[] {
    const lines: InputLine[] = []
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      this.#hold(chunk.subarray(start, end === -1 ? undefined : end))
      if (end === -1) return lines
      const line = this.end()
      if (line !== undefined) lines.push(line)
      start = end + 1
    }
  }

  /** The line that ends here; undefined for a blank one. */
  end(): InputLine | undefined {
    this.#number++
    const line: InputLine | undefined = this.#tooLong
      ? { number: this.#number, problem: `longer than ${this.#maxBytes} bytes` }
      : lineOf(this.#number, this.#whole())
    this.#held = []
    this.#heldBytes = 0
    this.#tooLong = false
    return line
  }

  #whole(): Buffer {
    const [first, second] = this.#held
    return first && !second ? first : Buffer.concat(this.#held)
  }

  #hold(part: Buffer): void {
    this.#heldBytes += part.length
    if (this.#heldBytes > this.#maxBytes) {
      this.#tooLong = true
      this.#held = []
    } else if (part.length > 0) {
      this.#held.push(part)
    }
  }
}

/**
 * The lines of an input, one at a time, as fast as they are taken. Blank lines are skipped but
 * counted. A line that is too long or not UTF-8 is given with its problem; the next lines follow.
 *
 * @param maxBytes - longest line; {@link maxLineBytes} unless a test wants less
 */
export async function* inputLines(
  source: AsyncIterable<Buffer>,
  maxBytes = maxLineBytes,
): AsyncGenerator<InputLine> {
  const cutter = new LineCutter(maxBytes)
  // One yield each: `yield*` in an asynchronous generator makes promises of its own.
  for await (const chunk of source) for (const line of cutter.push(chunk)) yield line
  const last = cutter.end()
  if (last !== undefined) yield last
}

/** What a path leads to, when it can be read. @throws {PeerError} PEER_FILE_MISSING */
async function inputAt(path: string): Promise<Stats> {
  try {
    const found = await stat(path)
    await access(path, constants.R_OK)
    if (!found.isDirectory()) return found
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw explainSystemError(error, path) ?? error
    throw new PeerError('PEER_FILE_MISSING', `no file ${path}`, {
      cure: 'check the path; - reads standard input',
      cause: error,
    })
  }
  throw isFolder(path)
}

function isFolder(what: string): PeerError {
  return new PeerError('PEER_FILE_MISSING', `${what} is a folder`, { cure: 'name a file' })
}

/** `submit < folder`: Node reads it as an empty input. */
function standardInput(): Readable {
  if (fstatSync(0).isDirectory()) throw isFolder('standard input')
  return process.stdin
}

/**
 * Opens an input, `-` being standard input.
 * @throws {PeerError} PEER_FILE_MISSING, before anything else is done
 */
export async function openInput(path: string): Promise<Readable> {
  if (path === '-') return standardInput()
  const found = await inputAt(path)
  const isWaiting = found.isFIFO() || found.isCharacterDevice()
  const waiting = isWaiting ? openWaiting(path) : undefined
  return waiting ?? createReadStream(path, { highWaterMark: readBytes })
}

/**
 * Opens a named pipe or a terminal, undefined for other devices. As a file, it could not be closed before
 * somebody writes: a thread would hang in `open` or `read`, and the process with it.
 */
function openWaiting(path: string): Readable | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  if (isatty(fd)) return new ReadStream(fd)
  try {
    return new Socket({ fd, readable: true, writable: false })
  } catch {
    closeSync(fd)
    return undefined
  }
}

/**
 * Number of lines of a file that are not blank, as {@link inputLines} counts them roughly: for a bar.
 * Undefined for what can be read once only, as a pipe.
 */
export async function countLines(path: string): Promise<number | undefined> {
  if (path === '-' || !(await stat(path)).isFile()) return undefined
  let lines = 0
  let blank = true
  const chunks: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: readBytes })
  for await (const chunk of chunks) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      const part = chunk.subarray(start, end === -1 ? undefined : end)
      blank &&= part.every((byte) => byte <= space)
      if (end === -1) break
      if (!blank) lines++
      blank = true
      start = end + 1
    }
  }
  return blank ? lines : lines + 1
}

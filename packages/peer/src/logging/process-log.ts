import { fstatSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { foreignLine, mendLog } from './log-file.ts'
import type { Logger } from '@heddle/interface'

/** Where the file that standard output goes to is found again, with the rights of its owner. */
const ownOutput = '/dev/fd/1'

/**
 * Brings into the log what Node says: warnings, and the error that ends the process. When standard
 * output and standard error are one file or pipe, what is written to the latter becomes JSON, too.
 *
 * @param peer - `peer.id`
 */
export function logProcess(logger: Logger, peer: string): void {
  // Node's own listener prints text.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    logger.warn('Node warns', { name: warning.name }, warning)
  })
  // First of all: another listener ends the process.
  process.prependListener('uncaughtException', (error, origin) => {
    logger.error('an error was not caught', { origin, stack: error.stack }, error)
  })
  if (isOneFile()) writeErrorsAsLines(peer)
}

/** Makes the log whole that standard output is appended to; where that cannot be, it stays as it is. */
export function mendOwnLog(): void {
  try {
    if (fstatSync(1).isFile()) mendLog(ownOutput, Date.now())
  } catch {
    // A file that may not be read, or a system without such names: then it is just appended to.
  }
}

function isOneFile(): boolean {
  try {
    const [output, errors] = [fstatSync(1), fstatSync(2)]
    const isShown = process.stdout.isTTY || process.stderr.isTTY
    return !isShown && output.dev === errors.dev && output.ino === errors.ino
  } catch {
    return false // one of them is closed
  }
}

function writeErrorsAsLines(peer: string): void {
  const write = process.stderr.write.bind(process.stderr)
  const asLine = (text: string): string => {
    const msg = text.trimEnd()
    if (msg === '') return ''
    return foreignLine({ level: 'error', time: Date.now(), peer, logger: 'process', msg })
  }
  const decoder = new StringDecoder('utf8')
  process.stderr.write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const done = rest.find((each) => typeof each === 'function') as
      ((error?: Error | null) => void) | undefined
    return write(asLine(decoder.write(Buffer.from(chunk as string))), done)
  }
}

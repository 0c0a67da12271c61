import { pino } from 'pino'
import { boundedText, boundedValue, describeError } from './bounded.ts'
import { isEnabled, parseLogSpec } from './logspec.ts'
import type { DestinationStream } from 'pino'
import type { LogFields, Logger } from '@heddle/interface'
import type { Level, LogSpec } from './logspec.ts'

/** A logger and the levels that it and all its children obey. */
export interface Logging {
  readonly logger: Logger
  /** The levels in force, as of Fabric's `FABRIC_LOGGING_SPEC`: `gossip,comm=debug:info`. */
  readonly spec: string
  /**
   * A line tells of the change whatever the levels are.
   *
   * @param by - fields of that line: who wants it
   * @throws {PeerError} PEER_INVALID_CONFIG; the old levels stay
   */
  setSpec(spec: string, by: LogFields): void
}

/** Names that lines have anyway. */
const ownNames = ['level', 'time', 'logger', 'msg']

/** Fields with values in bounds; under a name that a line has anyway they get another. */
function fieldsOf(fields: LogFields = {}, base: LogFields): LogFields {
  const isTaken = (name: string): boolean => ownNames.includes(name) || name in base
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      isTaken(name) ? `${name}_` : name,
      boundedValue(value),
    ]),
  )
}

/** Bytes of lines that wait for a log that takes none, as on a full disk; what is beyond is lost. */
export const maxLogBacklogBytes = 64 * 1024

/**
 * Writes at once, so that the last line before a crash is not lost. A log that cannot be written is
 * no reason to end: what waits follows when there is room again, then how many lines were lost.
 *
 * @param fd - default: standard output
 */
export function logDestination(fd = 1): DestinationStream {
  const stream = pino.destination({ dest: fd, sync: true, maxLength: maxLogBacklogBytes })
  let lost = 0
  stream.on('error', () => undefined)
  stream.on('drop', () => lost++)
  stream.on('drain', () => {
    if (lost === 0) return
    const line = { level: 'warn', time: new Date().toISOString(), logger: 'logging' }
    stream.write(`${JSON.stringify({ ...line, msg: 'lines of the log were lost', lost })}\n`)
    lost = 0
  })
  return stream
}

/**
 * JSON lines `{"level","time","logger","msg",…fields,"error"}` by pino.
 *
 * @param destination - where the lines go; default standard output
 */
export function createLogging(
  spec: string,
  base: LogFields,
  destination: DestinationStream = logDestination(),
): Logging {
  let current: LogSpec = parseLogSpec(spec)
  const options = {
    level: 'debug',
    base,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const root = pino(options, destination)
  const make = (name: string): Logger => {
    const write = (level: Level) => (event: string, fields?: LogFields, error?: unknown) => {
      if (!isEnabled(current, name, level)) return
      const more = error === undefined ? {} : { error: describeError(error) }
      root[level]({ logger: name, ...fieldsOf(fields, base), ...more }, boundedText(event))
    }
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (component) => make(name === '' ? component : `${name}.${component}`),
    }
  }
  return {
    logger: make(''),
    get spec() {
      return current.text
    },
    setSpec(next, by) {
      const from = current.text
      current = parseLogSpec(next)
      const fields = fieldsOf({ ...by, from, to: current.text }, base)
      root.info({ logger: 'logging', ...fields }, 'levels of the log changed')
    },
  }
}

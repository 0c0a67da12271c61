import { pino } from 'pino'
import { isEnabled, parseLogSpec } from './logspec.ts'
import type { DestinationStream } from 'pino'
import type { LogFields, Logger } from '@heddle/interface'
import type { Level, LogSpec } from './logspec.ts'

/** A logger and the levels that it and all its children obey. */
export interface Logging {
  readonly logger: Logger
  /** The levels in force, as of Fabric's `FABRIC_LOGGING_SPEC`: `gossip,comm=debug:info`. */
  readonly spec: string
  /** @throws {PeerError} PEER_INVALID_CONFIG; the old levels stay */
  setSpec(spec: string): void
}

/** An error as fields: its code and message, and those of its causes. Never a stack at info. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const code = (error as { code?: unknown }).code
  return {
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(error.cause === undefined ? {} : { cause: describe(error.cause) }),
  }
}

/**
 * JSON lines `{"level","time","logger","msg",…fields,"error"}` by pino.
 *
 * @param destination - where the lines go; default standard output, written at once so that the
 *   last line before a crash is not lost
 */
export function createLogging(
  spec: string,
  base: LogFields,
  destination: DestinationStream = pino.destination({ dest: 1, sync: true }),
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
      root[level](
        { logger: name, ...fields, ...(error === undefined ? {} : { error: describe(error) }) },
        event,
      )
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
    setSpec(next) {
      current = parseLogSpec(next)
    },
  }
}

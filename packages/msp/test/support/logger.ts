import type { LogFields, Logger } from '@heddle/interface'

/** A logger that keeps its lines: `level event {fields}`. */
export function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = []
  const line =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      lines.push(`${level} ${event} ${JSON.stringify(fields)}`)
    }
  const logger: Logger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logger,
  }
  return { logger, lines }
}

/** Data of a log line: plain, serialisable values. Never key material, never whole messages. */
export type LogFields = Readonly<Record<string, unknown>>

/**
 * Where a component writes what it did.
 *
 * `event` is a fixed lower-case phrase, so that lines can be searched; data goes into `fields`.
 * `error`: an operator must act. `warn`: should look. `info`: wants to know.
 * `debug`: a developer wants to know; bytes received from peers appear here at most.
 */
export interface Logger {
  debug(event: string, fields?: LogFields, error?: unknown): void
  info(event: string, fields?: LogFields, error?: unknown): void
  warn(event: string, fields?: LogFields, error?: unknown): void
  error(event: string, fields?: LogFields, error?: unknown): void
  /** A logger whose lines name `component` (dotted, as in Fabric: `gossip.comm`). */
  child(component: string): Logger
}

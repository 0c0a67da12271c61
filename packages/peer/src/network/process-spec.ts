/** How a validator is started. */
export interface ProcessSpec {
  readonly name: string
  /** Path of its configuration file. */
  readonly config: string
  /** File that its log is appended to. */
  readonly log: string
  /** Passed on to `heddle peer start`: see there. */
  readonly acceptLostBlocks?: boolean
}

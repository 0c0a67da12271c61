const codedError = Symbol.for('@heddle/interface/CodedError')

/**
 * The base of every error that Heddle throws.
 *
 * `code` is `PACKAGE_CONDITION` and stable under semver; the message is for people and says what
 * happened, where, and what to do. Match with {@link isCodedError}, which also works when two
 * copies of this package are installed.
 */
export class CodedError<Code extends string = string> extends Error {
  /** `PACKAGE_CONDITION`, such as `PBFT_POOL_FULL`: what a program decides by. */
  readonly code: Code

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
    Object.defineProperty(this, codedError, { value: true })
  }
}

/** Whether `error` is a {@link CodedError}, of the given code if one is given. */
export function isCodedError<Code extends string>(
  error: unknown,
  code?: Code,
): error is CodedError<Code> {
  if (!(error instanceof Error) || !(codedError in error)) return false
  return code === undefined || (error as Error & { code?: unknown }).code === code
}

/** An invariant of our own is broken: a bug, never a peer's doing. The component must stop. */
export class InvariantError extends CodedError<'INVARIANT_BROKEN'> {
  constructor(message: string, options?: ErrorOptions) {
    super('INVARIANT_BROKEN', message, options)
  }
}

/** The text of anything that was thrown: its message, never its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

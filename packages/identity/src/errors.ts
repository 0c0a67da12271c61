import { CodedError } from '@heddle/interface'

/** Every way in which this package fails; the README says when and whether to retry. */
export type IdentityErrorCode =
  | 'IDENTITY_MISSING'
  | 'IDENTITY_TOO_LARGE'
  | 'IDENTITY_UNCLASSIFIABLE'
  | 'IDENTITY_MISMATCH'
  | 'IDENTITY_EXPIRED'
  | 'IDENTITY_DUPLICATE'
  | 'IDENTITY_FULL'
  | 'IDENTITY_NOT_FOUND'
  | 'IDENTITY_INVALID_SELF'
  | 'IDENTITY_STOPPED'
  | 'IDENTITY_INVALID_OPTIONS'

/** An identity, a PKI-ID or an option was refused, for the reason that `code` names. */
export class IdentityError extends CodedError<IdentityErrorCode> {}

/** An {@link IdentityError} whose message ends in that of its cause. */
export function causedError(
  code: IdentityErrorCode,
  message: string,
  cause: unknown,
): IdentityError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new IdentityError(code, `${message}: ${reason}`, { cause })
}

import { CodedError } from '@heddle/interface'

/** Every code of this package; the README says when each occurs and whether to retry. */
export type ListenerErrorCode = 'LISTENER_INVALID_OPTIONS' | 'LISTENER_UNSUPPORTED_NODE'

/** What goes wrong in `@heddle/listener`; the code tells what. */
export class ListenerError extends CodedError<ListenerErrorCode> {}

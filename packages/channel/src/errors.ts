import { CodedError } from '@heddle/interface'

/** Every condition under which this package refuses something; the README says when and what to do. */
export type ChannelErrorCode =
  'CHANNEL_NOT_CONFIG' | 'CHANNEL_INVALID_CONFIG' | 'CHANNEL_NO_POLICY' | 'CHANNEL_INVALID_OPTIONS'

/** What this package throws. Match on `code`; none of the conditions goes away by trying again. */
export class ChannelError extends CodedError<ChannelErrorCode> {}

export {
  BusyError,
  CancelledError,
  ClosedError,
  InvalidOptionsError,
  NoSubscribersError,
  TimedOutError,
  TooManySubscriptionsError,
} from './errors.ts'
export { PubSub } from './pubsub.ts'
export type { PubSubDeps, PubSubOptions } from './pubsub.ts'
export type { OverflowPolicy, Subscription } from './subscription.ts'

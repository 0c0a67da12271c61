export { BoundedMap, maxMapCapacity } from './bounded-map.ts'
export { Budget } from './budget.ts'
export type { BudgetLimit, BudgetOptions, Overdraft } from './budget.ts'
export {
  EventsStoppedError,
  InvalidOptionsError,
  NoReceiverError,
  OverloadedError,
  ReceiverFailedError,
} from './errors.ts'
export { Holds } from './holds.ts'
export { createManager } from './manager.ts'
export type { ManagerOptions } from './manager.ts'
export type { ExpiryQueue, Manager, ManagerStats, Receiver, Revocable, Timer } from './ports.ts'
export { pause } from './pause.ts'
export { RingQueue, maxRingCapacity } from './ring-queue.ts'
export { systemClock } from './system-clock.ts'
export { createTimer } from './timer.ts'

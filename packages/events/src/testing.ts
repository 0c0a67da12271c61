export {
  ClockBusyError,
  ClockRunawayError,
  VirtualClock,
  maxTimersPerAdvance,
} from './testing/virtual-clock.ts'
export type { VirtualClockOptions } from './testing/virtual-clock.ts'

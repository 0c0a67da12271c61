export { clockCases } from './testing/clock-cases.ts'
export type { ClockFixture, ComplianceCase } from './testing/clock-cases.ts'
export {
  ClockBusyError,
  ClockRunawayError,
  VirtualClock,
  maxTimersPerAdvance,
} from './testing/virtual-clock.ts'
export type { VirtualClockOptions } from './testing/virtual-clock.ts'

export { RecordingLogger, RecordingMetrics } from './testing/recording.ts'
export type { LogLine } from './testing/recording.ts'

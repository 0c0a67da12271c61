import { isCodedError, type LogFields, type Logger, type Metrics } from '@heddle/interface'
import { VirtualClock } from '@heddle/events/testing'
import { createIdentityMapper, type Mapper, type MapperOptions } from '../../src/index.ts'
import { MemoryMembership, type Member } from '../../src/testing.ts'

/** The code with which `action` fails, at once or later. */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    return isCodedError(error) ? error.code : String(error)
  }
  return 'no error'
}

/** Log lines as `level event`. */
export class RecordingLogger implements Logger {
  readonly lines: { level: string; event: string; fields: LogFields | undefined }[] = []
  readonly debug = this.#writer('debug')
  readonly info = this.#writer('info')
  readonly warn = this.#writer('warn')
  readonly error = this.#writer('error')

  child(): Logger {
    return this
  }

  #writer(level: string) {
    return (event: string, fields?: LogFields): void => {
      this.lines.push({ level, event, fields })
    }
  }
}

/** Metrics that add up, by name and declared labels; each must say what it is. */
export function recordingMetrics(): { metrics: Metrics; values: Record<string, number> } {
  const values: Record<string, number> = {}
  const described = ({ name, help }: { name: string; help: string }): string => {
    if (help === '') throw new Error(`${name} has no help text`)
    return name
  }
  const metrics: Metrics = {
    counter: ({ labelNames = [], ...rest }) => {
      const name = described(rest)
      return {
        add: (value, labels = {}) => {
          const key = [name, ...labelNames.map((label) => `${label}=${labels[label]}`)].join(' ')
          values[key] = (values[key] ?? 0) + value
        },
      }
    },
    gauge: (options) => {
      const name = described(options)
      return { set: (value) => (values[name] = value) }
    },
    histogram: () => ({ observe: () => undefined }),
  }
  return { metrics, values }
}

/** A mapper of `self`, a membership in memory, and a record of what is purged. */
export interface Fixture {
  readonly clock: VirtualClock
  readonly membership: MemoryMembership
  readonly self: Member
  readonly mapper: Mapper
  /** `reason name`, in order. */
  readonly purged: string[]
  readonly logger: RecordingLogger
  readonly values: Record<string, number>
}

/** The time at which the clock of a {@link Fixture} starts. */
export const startTime = Date.UTC(2026, 0, 1)

export function fixture(
  options: Partial<MapperOptions> = {},
  prepare: (membership: MemoryMembership) => Member = (membership) =>
    membership.enroll('Org1MSP', 'self'),
): Fixture {
  const clock = new VirtualClock({ wallTimeMs: startTime })
  const membership = new MemoryMembership()
  const self = prepare(membership)
  const purged: string[] = []
  const logger = new RecordingLogger()
  const { metrics, values } = recordingMetrics()
  const mapper = createIdentityMapper(
    { crypto: self.crypto, advisor: self.crypto, clock, logger, metrics },
    {
      selfIdentity: self.identity,
      onPurge: (_pkiId, identity, reason) =>
        purged.push(`${reason} ${Buffer.from(identity).toString('latin1').replace(/.*\W/s, '')}`),
      ...options,
    },
  )
  return { clock, membership, self, mapper, purged, logger, values }
}

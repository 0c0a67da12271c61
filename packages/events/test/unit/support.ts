import { isCodedError, type Counter, type Gauge, type Metrics } from '@heddle/interface'
import { createManager, type Manager, type ManagerOptions } from '../../src/index.ts'

/** Resolves when the event loop has turned once: microtasks and earlier immediates have run. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A manager that keeps what it receives. */
export function recording(options: ManagerOptions = {}): {
  manager: Manager<string>
  seen: string[]
} {
  const seen: string[] = []
  const manager = createManager<string>(options)
  manager.setReceiver((event) => {
    seen.push(event)
    return undefined
  })
  return { manager, seen }
}

/** The code with which `action` fails, at once or later. */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    return isCodedError(error) ? error.code : String(error)
  }
  return 'no error'
}

/** Metrics that add up, by name and label values. */
export class RecordingMetrics implements Metrics {
  readonly values: Record<string, number> = {}

  counter({ name }: { name: string }): Counter {
    return {
      add: (value, labels) => {
        const key = `${name} ${Object.values(labels ?? {}).join(' ')}`.trim()
        this.values[key] = (this.values[key] ?? 0) + value
      },
    }
  }

  gauge({ name }: { name: string }): Gauge {
    return {
      set: (value, labels) => {
        this.values[`${name} ${Object.values(labels ?? {}).join(' ')}`.trim()] = value
      },
    }
  }

  histogram(): never {
    throw new TypeError('no histogram is expected')
  }
}

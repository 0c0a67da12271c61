import { RingQueue, createManager } from '@heddle/events'
import { paired, seconds } from './measure.ts'
import type { Figure } from './report.ts'

const events = 2_000_000
const burst = 256

interface Event {
  value: number
}

/** The limit: push a burst of events into a bare ring queue, take them out, call a function. */
function bareQueue(): Promise<number> {
  const queue = new RingQueue<Event>(burst)
  let sum = 0
  const handle = (event: Event): void => {
    sum += event.value
  }
  const start = performance.now()
  for (let sent = 0; sent < events; sent += burst) {
    for (let index = 0; index < burst; index += 1) queue.push({ value: index })
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) handle(event)
  }
  if (sum === 0) throw new Error('nothing was handled')
  return Promise.resolve(((performance.now() - start) * 1e6) / events)
}

/** The same events through a Manager, its own queue and scheduling included. */
async function throughManager(): Promise<number> {
  const manager = createManager<Event>({ capacity: burst })
  let handled = 0
  let drained: () => void = () => undefined
  manager.setReceiver((event) => {
    handled += event.value >= 0 ? 1 : 0
    if (handled % burst === 0) drained()
    return undefined
  })
  await manager.start()
  const total = Math.floor(events / burst) * burst
  const spent = await seconds(async () => {
    for (let sent = 0; sent < total; sent += burst) {
      const done = new Promise<void>((resolve) => (drained = resolve))
      for (let index = 0; index < burst; index += 1) manager.tryQueue({ value: index })
      await done
    }
  })
  await manager.stop()
  if (handled !== total) throw new Error(`${String(total - handled)} events were lost`)
  return (spent * 1e9) / total
}

export async function run(): Promise<Figure[]> {
  const { ours, limit } = await paired(7, throughManager, bareQueue)
  return [
    {
      name: 'events through Manager',
      value: ours,
      unit: 'ns/event',
      limit,
      bar: { of: 'ratio', atMost: 3 },
    },
  ]
}

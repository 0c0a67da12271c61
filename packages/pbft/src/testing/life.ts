import type { Clock } from '@heddle/interface'
import type { Journal, StateMachine } from '../ports.ts'
import type { ExecutionLog } from './execution-log.ts'

/** Ends with a crash: what the dead replica still wants to do has no effect. */
export interface Life {
  alive: boolean
}

/** What a dead replica still tries to do never happens. */
export function whileAlive<T>(life: Life, act: () => Promise<T>): Promise<T> {
  return life.alive ? act() : new Promise(() => undefined)
}

/** A clock whose timers end with a life. */
export function clockOf(life: Life, clock: Clock): Clock {
  return {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    schedule: (delayMs, callback) =>
      clock.schedule(delayMs, () => {
        if (life.alive) callback()
      }),
  }
}

/** A journal as one life uses it. */
export function journalOf(life: Life, journal: Journal): Journal {
  return {
    append: (records) => whileAlive(life, () => journal.append(records)),
    rewrite: (records) => whileAlive(life, () => journal.rewrite(records)),
    records: () => journal.records(),
    get damage() {
      return journal.damage
    },
  }
}

/** The state machine of replica `id` as one life uses it; `log` notes what it is given and says. */
export function machineOf(
  life: Life,
  id: number,
  machine: StateMachine,
  log: ExecutionLog | undefined,
): StateMachine {
  return {
    check: (...args) => machine.check(...args),
    ...(machine.clientOf && { clientOf: machine.clientOf.bind(machine) }),
    isExecuted: (executed) => machine.isExecuted(executed),
    lastExecuted: () => machine.lastExecuted(),
    earlierDigests: (downTo) =>
      whileAlive(life, async () => {
        const digests = (await machine.earlierDigests?.(downTo)) ?? []
        const { sequence } = machine.lastExecuted()
        for (const [index, digest] of digests.entries())
          log?.executed(id, sequence - BigInt(index) - 1n, digest)
        return digests
      }),
    journalMark: () => machine.journalMark?.(),
    provesTransfers: machine.provesTransfers ?? false,
    execute: (sequence, requests, mark) =>
      whileAlive(life, async () => {
        log?.begins(id, sequence, requests)
        const digest = await machine.execute(sequence, requests, mark)
        if (life.alive) log?.executed(id, sequence, digest)
        return digest
      }),
    transfer: (...args) =>
      whileAlive(life, async () => {
        const point = await machine.transfer(...args)
        if (life.alive) log?.reaches(id, point)
        return point
      }),
  }
}

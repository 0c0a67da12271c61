import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { ChildProcess } from 'node:child_process'
import { messageOf } from '../errors.ts'
import { exitCodes } from '../exit-status.ts'
import { mendLog } from '../logging/log-file.ts'
import { cliPath } from '../package-root.ts'
import { ErrorLog } from './error-log.ts'
import { LastWords } from './last-words.ts'
import type { Clock } from '@heddle/interface'
import type { ProcessSpec } from './process-spec.ts'

/** How a process ended. */
export interface ProcessEnd {
  readonly name: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What it said last on standard error, or why it could not be started; may be empty. */
  readonly words: string
}

/** The exit status of a process, or the one that says the same as the signal that ended it. */
export function statusOfEnd({ code, signal }: ProcessEnd): number | null {
  return signal === diskSignal ? exitCodes.disk : code
}

/** How long a validator may take to stop before it is killed. */
const stopTimeoutMs = 10_000

/** How often a validator that was killed by a signal is started again within {@link restartsMs}. */
export const maxRestarts = 5

/** For so long a restart counts, in milliseconds: an hour. */
export const restartsMs = 3_600_000

/**
 * What the system sends when a file that is mapped into memory, as those of lmdb are, has no room on the
 * disk or cannot be read. The process has no last words then, and would end so again.
 */
const diskSignal = 'SIGBUS'
const diskWords = [
  'heddle: a file that is mapped into memory could not be read or written: the disk is full or fails',
  '  try: free some space and start again: what was acknowledged is kept',
].join('\n')

/** Starts the process of a validator. */
export type Launch = (spec: ProcessSpec) => ChildProcess

/** Standard error comes to us: on a disk that is full for its log too, its last words are not lost. */
function spawnValidator({ config, log, acceptLostBlocks }: ProcessSpec): ChildProcess {
  mendLog(log, Date.now())
  const args = ['peer', 'start', '--config', config, '--attached']
  if (acceptLostBlocks === true) args.push('--accept-lost-blocks')
  const output = openSync(log, 'a', 0o600)
  try {
    return spawn(process.execPath, [...process.execArgv, cliPath(), ...args], {
      stdio: ['pipe', output, 'pipe'],
      detached: true,
      env: validatorEnvironment(),
    })
  } finally {
    closeSync(output)
  }
}

/**
 * All validators share the cores of this machine: more threads than cores, four in each process by
 * default, only take turns. Two at least, so that one may wait for the disk. Who says otherwise is heard.
 */
function validatorEnvironment(): NodeJS.ProcessEnv {
  const threads = Math.min(4, Math.max(2, availableParallelism()))
  return { UV_THREADPOOL_SIZE: String(threads), ...process.env }
}

interface Running {
  readonly spec: ProcessSpec
  child: ChildProcess
  /** When it was started again, on the clock's `now`. */
  restarts: readonly number[]
  ended: Promise<void>
}

/**
 * The validators of a network, each a process of its own. They are in process groups of their own,
 * so that Ctrl-C reaches them only through us; they stop by themselves when we are gone, because
 * their standard input ends.
 */
export class ValidatorProcesses {
  readonly #clock: Clock
  readonly #onEnd: (end: ProcessEnd, restarted: boolean) => void
  readonly #spawn: Launch
  readonly #running = new Map<string, Running>()
  #stopping = false

  /**
   * @param onEnd - told of every end that was not asked for
   * @param launch - default: `heddle peer start` in a process of its own
   */
  constructor(
    clock: Clock,
    onEnd: (end: ProcessEnd, restarted: boolean) => void,
    launch: Launch = spawnValidator,
  ) {
    this.#clock = clock
    this.#onEnd = onEnd
    this.#spawn = launch
  }

  /** Whether all are being stopped: then none is started. */
  get isStopping(): boolean {
    return this.#stopping
  }

  /** Starts a validator. */
  start(spec: ProcessSpec): void {
    this.#launch(spec, [])
  }

  /** Process id of a validator that runs. */
  pid(name: string): number | undefined {
    const child = this.#running.get(name)?.child
    return child?.exitCode === null && child.signalCode === null ? child.pid : undefined
  }

  /** Stops all: asks first, then kills. Resolves when none is left. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all([...this.#running.values()].map((running) => this.#stopOne(running)))
  }

  /** Kills all at once, without a chance to finish. */
  kill(): void {
    this.#stopping = true
    for (const { child } of this.#running.values()) child.kill('SIGKILL')
  }

  async #stopOne({ child, ended }: Running): Promise<void> {
    child.kill('SIGTERM')
    const timer = this.#clock.schedule(stopTimeoutMs, () => child.kill('SIGKILL'))
    await ended
    timer.cancel()
  }

  #launch(spec: ProcessSpec, restarts: readonly number[]): void {
    const child = this.#spawn(spec)
    child.stdin?.on('error', () => undefined)
    const words = new LastWords(child.stderr)
    new ErrorLog(child.stderr, spec, this.#clock)
    const ended = new Promise<void>((resolve) => {
      let isOver = false
      const onOver = (end: Omit<ProcessEnd, 'name'>): void => {
        resolve()
        if (!isOver && !this.#stopping) this.#lost(spec, restarts, { name: spec.name, ...end })
        isOver = true
      }
      // Not `exit`, after which some of what it said may still be under way.
      child.once('close', (code, signal) => {
        onOver({ code, signal, words: signal === diskSignal ? diskWords : words.toString() })
      })
      child.on('error', (error) => {
        // Without a process id it never ran.
        if (child.pid === undefined) onOver({ code: null, signal: null, words: messageOf(error) })
      })
    })
    this.#running.set(spec.name, { spec, child, restarts, ended })
  }

  /** A validator that was killed is started again; one that gave up has a reason that stays. */
  #lost(spec: ProcessSpec, restarts: readonly number[], end: ProcessEnd): void {
    const now = this.#clock.now()
    const lately = restarts.filter((at) => now - at < restartsMs)
    const killed = end.signal !== null && end.signal !== diskSignal
    const again = killed && lately.length < maxRestarts
    this.#onEnd(end, again && this.#relaunch(spec, [...lately, now]))
  }

  #relaunch(spec: ProcessSpec, restarts: readonly number[]): boolean {
    try {
      this.#launch(spec, restarts)
      return true
    } catch {
      // Its log cannot be opened, or the machine has no room for another process.
      return false
    }
  }
}

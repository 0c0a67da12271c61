import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PeerError } from '../../src/errors.ts'
import { eventually } from './eventually.ts'
import type { ChildProcess } from 'node:child_process'
import type { NetworkDescriptor } from '@heddle/client'

/** The script of the command line, as npx finds it. */
const cli = fileURLToPath(new URL('../../bin/heddle.js', import.meta.url))

/** A line of `--json`. */
export type JsonLine = Readonly<Record<string, unknown>> & { readonly type?: string }

/** How a `heddle` is started. */
export interface HeddleOptions {
  /** All that it can read from standard input. */
  readonly input?: string | Buffer
  /** What its standard input is, as a descriptor of this process, in place of `input`. */
  readonly stdin?: number
  readonly env?: NodeJS.ProcessEnv
  /**
   * Largest file that it and its children can write, as setrlimit(2) RLIMIT_FSIZE: a disk that is
   * full for whoever wants to write more. Rounded up to 512 bytes; some shells count 1,024.
   */
  readonly maxFileBytes?: number
  /** Files that it and its children may have open, as RLIMIT_NOFILE. */
  readonly maxOpenFiles?: number
  /** Whether what it prints has no room, as on a disk that is full. Linux. */
  readonly hasFullOutput?: boolean
  /** The Node that runs it; default: the one that runs this. */
  readonly node?: string
  /** What root may do in any folder, it may not: its files are as those of everybody else. */
  readonly unprivileged?: boolean
}

/** Of util-linux; another user might not even reach the folder in which Node is. */
const unprivileged = ['setpriv', '--bounding-set', '-dac_override,-dac_read_search']

function commandOf(args: readonly string[], options: HeddleOptions): string[] {
  const { maxFileBytes, maxOpenFiles, node = process.execPath } = options
  const command = [...(options.unprivileged === true ? unprivileged : []), node, cli, ...args]
  const limits = [
    ...(maxFileBytes === undefined ? [] : [`ulimit -f ${Math.ceil(maxFileBytes / 512)}`]),
    ...(maxOpenFiles === undefined ? [] : [`ulimit -n ${maxOpenFiles}`]),
  ]
  const output = options.hasFullOutput === true ? '>/dev/full' : ''
  if (limits.length === 0 && output === '') return command
  return ['sh', '-c', [...limits, `exec "$@" ${output}`].join(' && '), 'sh', ...command]
}

/** A `heddle` that runs, with what it prints. */
export class Heddle {
  readonly child: ChildProcess
  readonly lines: string[] = []
  stderr = ''
  /** Resolves with the exit status, or with the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  #rest = ''
  readonly #wakers = new Set<() => void>()

  constructor(args: readonly string[], options: HeddleOptions = {}) {
    const [program = '', ...rest] = commandOf(args, options)
    this.child = spawn(program, rest, {
      env: { ...process.env, ...options.env },
      stdio: [options.stdin ?? 'pipe', 'pipe', 'pipe'],
    })
    this.child.stdin?.on('error', () => undefined)
    this.child.stdin?.end(options.input ?? '')
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#take(text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#wake()
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.#wake()
      return (code ?? signal) as number | NodeJS.Signals
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** What it printed as JSON. */
  get json(): JsonLine[] {
    return this.lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as JsonLine)
  }

  /** The last line of a type. */
  find(type: string): JsonLine | undefined {
    const marked = this.lines.filter((line) => line.startsWith(`{"type":"${type}"`)).at(-1)
    return marked === undefined ? undefined : (JSON.parse(marked) as JsonLine)
  }

  /** Resolves when `done` says so, looked at after each output; rejects when the process has ended. */
  async until(done: (heddle: Heddle) => boolean): Promise<void> {
    while (!done(this)) {
      if (!this.running) {
        const last = this.lines.slice(-5).join('\n')
        throw new PeerError('PEER_STOPPED', `heddle ended too early: ${this.stderr}\n${last}`)
      }
      await new Promise<void>((resolve) => this.#wakers.add(resolve))
    }
  }

  /** Sends a signal to this very process. */
  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  #take(text: string): void {
    const parts = (this.#rest + text).split('\n')
    this.#rest = parts.pop() ?? ''
    this.lines.push(...parts)
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#wakers) wake()
    this.#wakers.clear()
  }
}

/** What a finished `heddle` left. */
export interface Finished {
  readonly status: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
  readonly heddle: Heddle
}

async function finish(heddle: Heddle): Promise<Finished> {
  const status = await heddle.ended
  return { status, stdout: heddle.lines.join('\n'), stderr: heddle.stderr, heddle }
}

/** Runs `heddle` to its end. */
export function run(args: readonly string[], options: HeddleOptions = {}): Promise<Finished> {
  return finish(new Heddle(args, options))
}

/** A folder that is removed at the end of the suite, and processes that do not outlive it. */
export class Sandbox {
  dir = ''
  readonly #started: Heddle[] = []
  /** When mocha itself is interrupted. */
  readonly #onExit = (): void => this.#kill()

  async open(): Promise<void> {
    this.dir = await mkdtemp(join(tmpdir(), 'heddle-e2e-'))
    process.once('exit', this.#onExit)
  }

  /** Kills what runs, with the validators that a `network up` left in network.json, and cleans up. */
  async close(): Promise<void> {
    process.off('exit', this.#onExit)
    const running = this.#started.filter((each) => each.running)
    for (const heddle of running) {
      // One that is stopped (SIGSTOP) takes no other signal.
      heddle.kill('SIGKILL')
      await heddle.ended
    }
    await rm(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 })
  }

  /** Starts a `heddle` that is killed with the sandbox, if it still runs then. */
  start(args: readonly string[], options: HeddleOptions = {}): Heddle {
    const heddle = new Heddle(args, options)
    this.#started.push(heddle)
    return heddle
  }

  /** Runs a `heddle` to its end. */
  run(args: readonly string[], options: HeddleOptions = {}): Promise<Finished> {
    return finish(this.start(args, options))
  }

  path(...names: string[]): string {
    return join(this.dir, ...names)
  }

  async file(name: string, content: string | Buffer): Promise<string> {
    await writeFile(this.path(name), content)
    return this.path(name)
  }

  async descriptor(network: string): Promise<NetworkDescriptor> {
    const text = await readFile(this.path(network, 'network.json'), 'utf8')
    return JSON.parse(text) as NetworkDescriptor
  }

  #kill(): void {
    for (const heddle of this.#started) if (heddle.running) heddle.kill('SIGKILL')
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Resolves when none of the processes is there any more. */
export function gone(pids: readonly number[]): Promise<void> {
  return eventually(`processes ${pids.join(', ')} end`, () => !pids.some(isAlive))
}

/** Process ids of all validators of a network that runs. */
export function pidsOf({ validators }: NetworkDescriptor): number[] {
  return validators.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
}

/** Lines of records with an id each, of some 250 bytes. */
export function recordLines(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify({ id: `${prefix}-${index}`, text: 'x'.repeat(200) }),
  ).join('\n')
}

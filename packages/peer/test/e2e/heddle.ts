import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import type { NetworkDescriptor } from '../../src/network/descriptor.ts'

const cli = fileURLToPath(new URL('../../bin/heddle.js', import.meta.url))

/** A line of `--json`. */
export type JsonLine = Readonly<Record<string, unknown>> & { readonly type?: string }

/** A `heddle` that runs, with what it prints. */
export class Heddle {
  readonly child: ChildProcess
  readonly lines: string[] = []
  stderr = ''
  #rest = ''
  readonly #wakers = new Set<() => void>()
  readonly ended: Promise<number | NodeJS.Signals>

  constructor(args: readonly string[], options: { input?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, [cli, ...args], {
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.child.stdin?.on('error', () => undefined)
    this.child.stdin?.end(options.input ?? '')
    this.child.stdout?.on('data', (chunk: Buffer) => this.#take(chunk.toString()))
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
      this.#wake()
    })
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.#wake()
      return (code ?? signal) as number | NodeJS.Signals
    })
  }

  get json(): JsonLine[] {
    return this.lines
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as JsonLine)
  }

  /** The last line of a type. */
  find(type: string): JsonLine | undefined {
    return this.json.filter((line) => line.type === type).at(-1)
  }

  /** Resolves when `done` says so, looked at after each output; rejects when the process has ended. */
  async until(done: (heddle: Heddle) => boolean): Promise<void> {
    while (!done(this)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(
          `heddle ended too early: ${this.stderr}\n${this.lines.slice(-5).join('\n')}`,
        )
      }
      await new Promise<void>((resolve) => this.#wakers.add(resolve))
    }
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

/** Runs `heddle` to its end. */
export async function run(
  args: readonly string[],
  options: { input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> {
  const heddle = new Heddle(args, options)
  const status = await heddle.ended
  return { status, stdout: heddle.lines.join('\n'), stderr: heddle.stderr, heddle }
}

/** A folder that is removed at the end of the suite, and processes that do not outlive it. */
export class Sandbox {
  dir = ''
  readonly #running = new Set<ChildProcess>()

  async open(): Promise<void> {
    this.dir = await mkdtemp(join(tmpdir(), 'heddle-e2e-'))
  }

  async close(): Promise<void> {
    const open = [...this.#running].filter(
      (child) => child.exitCode === null && child.signalCode === null,
    )
    await Promise.all(
      open.map(async (child) => {
        const ended = once(child, 'close')
        child.kill('SIGTERM')
        await ended
      }),
    )
    await rm(this.dir, { recursive: true, force: true })
  }

  start(
    args: readonly string[],
    options: { input?: string; env?: NodeJS.ProcessEnv } = {},
  ): Heddle {
    const heddle = new Heddle(args, options)
    this.#running.add(heddle.child)
    return heddle
  }

  path(name: string): string {
    return join(this.dir, name)
  }

  async file(name: string, content: string): Promise<string> {
    await writeFile(this.path(name), content)
    return this.path(name)
  }

  async descriptor(network: string): Promise<NetworkDescriptor> {
    const text = await readFile(join(this.path(network), 'network.json'), 'utf8')
    return JSON.parse(text) as NetworkDescriptor
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

/** Resolves when `done` does with true; asks again and again, for at most `timeoutMs`. */
export async function eventually(
  what: string,
  done: () => boolean | Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const end = Date.now() + timeoutMs
  while (!(await done())) {
    if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Process ids of all validators of a network that runs. */
export function pidsOf({ validators }: NetworkDescriptor): number[] {
  return validators.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
}

/** Lines of records with an id each. */
export function recordLines(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, index) =>
    JSON.stringify({ id: `${prefix}-${index}`, text: 'x'.repeat(200) }),
  ).join('\n')
}

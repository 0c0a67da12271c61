import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** How long a program may take to end after SIGTERM. */
const graceMs = 10_000

/** A process that a test started, with all that it prints. */
export class Program {
  readonly name: string
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  #output = ''

  constructor(
    command: readonly [string, ...string[]],
    options: {
      readonly name?: string
      readonly cwd?: string
      readonly env?: NodeJS.ProcessEnv
    } = {},
  ) {
    const [file, ...args] = command
    const { name = file, cwd, env } = options
    this.name = name
    this.#child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#closed = once(this.#child, 'close')
    const take = (chunk: Buffer): void => {
      this.#output += chunk.toString()
    }
    this.#child.stdout?.on('data', take)
    this.#child.stderr?.on('data', take)
  }

  get output(): string {
    return this.#output
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Throws when it has ended, with the end of what it printed. */
  assertRunning(): void {
    if (!this.running) throw new Error(`${this.name} ended: ${this.#output.slice(-2000)}`)
  }

  /** Ends this very process with kill -9. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }

  /** Ends this very process: politely, then not. */
  async stop(): Promise<void> {
    if (!this.running) return
    this.#child.kill('SIGTERM')
    const forced = setTimeout(() => this.#child.kill('SIGKILL'), graceMs)
    await this.#closed
    clearTimeout(forced)
  }
}

/** Runs a program to its end. @returns what it printed on standard output */
export async function run(
  command: readonly [string, ...string[]],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const [file, ...args] = command
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close').then(([code]) => code as number | null),
  ])
  if (status !== 0) throw new Error(`${command.join(' ')}: status ${String(status)}\n${stderr}`)
  return stdout
}

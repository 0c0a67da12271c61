import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

/** The command `heddle`, as `npx heddle` finds it. */
const peer = dirname(createRequire(import.meta.url).resolve('@heddle/peer/package.json'))
const heddleScript = join(peer, 'bin', 'heddle.js')

/** A program that runs, with the lines that it printed so far. */
export class Program {
  readonly lines: string[] = []
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  /** Has ended, and all that it printed was read. */
  readonly #closed: Promise<void>
  #isClosed = false
  #rest = ''

  private constructor(args: readonly string[], input: string) {
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#closed = new Promise((resolve) => {
      this.#child.once('close', () => {
        this.#isClosed = true
        resolve()
      })
    })
    this.#child.stdin.end(input)
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (this.#rest + text).split('\n')
      this.#rest = parts.pop() ?? ''
      this.lines.push(...parts)
    })
  }

  static heddle(args: readonly string[], input = ''): Program {
    return new Program([heddleScript, ...args], input)
  }

  /** A TypeScript file beside this one. */
  static script(name: string, args: readonly string[]): Program {
    const file = fileURLToPath(new URL(name, import.meta.url))
    return new Program([...process.execArgv, file, ...args], '')
  }

  /** Resolves with a line for which `isIt` says yes; rejects when the program ends without one. */
  async until(isIt: (line: string) => boolean): Promise<string> {
    for (let seen = 0; ;) {
      for (; seen < this.lines.length; seen++) if (isIt(this.lines[seen]!)) return this.lines[seen]!
      if (this.#isClosed) throw new Error(`it ended:\n${this.lines.join('\n')}`)
      await Promise.race([once(this.#child.stdout, 'data'), this.#closed])
    }
  }

  /** Resolves with its exit status, or with the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#closed
    return this.#child.exitCode ?? this.#child.signalCode
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

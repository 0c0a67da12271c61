import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

/** A process that runs one of the programs in `test/children`. */
export type Child = ChildProcessByStdio<Writable, Readable, null>

/** Starts `test/children/<name>.ts`, with a limit on the size of its files if one is given, in KiB. */
export function startChild(name: string, args: readonly string[], fileLimitKiB?: number): Child {
  const program = fileURLToPath(new URL(`./children/${name}.ts`, import.meta.url))
  const command = [process.execPath, '--import', 'tsx', program, ...args]
  const stdio = ['pipe', 'pipe', 'inherit'] as const
  if (fileLimitKiB === undefined) return spawn(command[0]!, command.slice(1), { stdio: [...stdio] })
  // In bash the unit is 1,024 bytes.
  const script = `ulimit -f ${fileLimitKiB}; exec "$@"`
  return spawn('bash', ['-c', script, 'bash', ...command], { stdio: [...stdio] })
}

/** Resolves when the child has printed `text`; rejects when it ends before that. */
export async function printed(child: Child, text: string): Promise<void> {
  let seen = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    seen += String(chunk)
    if (seen.includes(text)) return
  }
  throw new RangeError(`the child ended without printing ${text}: ${seen}`)
}

/** Kills the child as `kill -9` does, and waits until it is gone. */
export async function kill(child: Child): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** All that the child prints until it ends. */
export async function output(child: Child): Promise<string> {
  let all = ''
  for await (const chunk of child.stdout) all += String(chunk)
  return all
}

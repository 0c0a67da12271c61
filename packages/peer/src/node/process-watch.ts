import { randomBytes } from 'node:crypto'
import { create, heddle } from '@heddle/proto'
import type { ConditionSink } from './conditions.ts'

/** How long it is said that two processes speak as one validator after they did, in milliseconds. */
export const twiceMs = 30_000

/** Earlier processes of a validator that are remembered. */
const maxEarlier = 8

interface Heard {
  process: bigint
  /** Those that it was before, the last at the end. */
  earlier: bigint[]
}

/** What a {@link ProcessWatch} works with. */
export interface ProcessWatchDeps {
  /** This validator. */
  readonly replica: number
  readonly conditions: ConditionSink
  /** The number of this process; default: a random one. */
  readonly process?: bigint
}

/**
 * Notices when two processes speak as one validator. A process that was followed by another is gone,
 * unless the validator was started twice: then both speak in turn. Validators tell each other whom they
 * heard, so that the two hear of it themselves. Others may lie about it, so nothing comes of it but a warning.
 */
export class ProcessWatch {
  readonly #deps: ProcessWatchDeps
  readonly #process: bigint
  readonly #heard = new Map<number, Heard>()
  /** Those that have heard this process. */
  readonly #hearers = new Set<number>()

  constructor(deps: ProcessWatchDeps) {
    this.#deps = deps
    this.#process = deps.process ?? randomBytes(8).readBigUInt64BE() | 1n
  }

  /** What this process tells the others. */
  get told(): Pick<heddle.WallTime, 'process' | 'heard'> {
    const heard = [...this.#heard].map(([replica, { process }]) =>
      create(heddle.HeardProcessSchema, { replica, process }),
    )
    return { process: this.#process, heard }
  }

  /** Whether `process` is not the one that was heard last from replica `from`; of 0 nothing is known. */
  isOther(from: number, { process }: Pick<heddle.WallTime, 'process'>): boolean {
    const known = this.#heard.get(from)
    return process !== 0n && known !== undefined && known.process !== process
  }

  /** Takes what replica `from` says of itself and of the others; 0 is said by versions without numbers. */
  receive(from: number, { process, heard }: Pick<heddle.WallTime, 'process' | 'heard'>): void {
    if (process !== 0n) this.#hear(from, process)
    const own = heard.find(({ replica }) => replica === this.#deps.replica)
    if (own === undefined) return
    if (own.process === this.#process) this.#hearers.add(from)
    else if (this.#hearers.has(from)) this.#twice(this.#deps.replica, `validator${from} hears`)
  }

  #hear(from: number, process: bigint): void {
    const last = this.#heard.get(from) ?? { process, earlier: [] }
    this.#heard.set(from, last)
    if (last.process === process) return
    const isBack = last.earlier.includes(process)
    last.earlier = [...last.earlier.filter((each) => each !== process), last.process].slice(
      -maxEarlier,
    )
    last.process = process
    if (isBack) this.#twice(from, 'heard here are')
  }

  #twice(replica: number, who: string): void {
    const subject = `validator${replica}`
    const reason = `${who} two processes that speak as ${subject}`
    this.#deps.conditions.raise('same-identity', { reason, subject, lastsMs: twiceMs })
  }
}

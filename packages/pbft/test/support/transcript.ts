import { NULL_BATCH } from '../../src/core/messages.ts'
import type { Batch, Message } from '../../src/core/messages.ts'
import type {
  JournalRecord,
  ReplicaEffect,
  ReplicaEvent,
  TimerName,
} from '../../src/core/protocol.ts'
import { ReplicaCore } from '../../src/core/replica-core.ts'
import { batchOf, coreOptions, signed, stateDigest } from './cores.ts'

const n = coreOptions.n

/** What is on its way to a core: a message, or the answer to an effect. */
interface Pending {
  readonly to: number
  readonly event: ReplicaEvent
}

interface Member {
  core: ReplicaCore
  readonly journal: JournalRecord[]
  executed: bigint
  /** Generations of its timers, as they were started last. */
  readonly timers: Map<TimerName, number>
  lives: number
}

/**
 * Runs the lines that begin with `>` of a transcript, and gives its text with what they lead to
 * behind each, two spaces in: the events that cores get, and their effects, two more spaces in.
 * Everything else stays as it is.
 */
export function runTranscript(text: string): string {
  const group = new ScriptedGroup()
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('  ')) continue
    lines.push(line)
    if (line.startsWith('> ')) lines.push(...group.run(line.slice(2)).map((each) => `  ${each}`))
  }
  return lines.join('\n')
}

/** Four cores, whose messages and answers wait until a line lets them through. */
class ScriptedGroup {
  readonly #members = Array.from({ length: n }, (_, id) => memberOf(id))
  #pending: Pending[] = []
  readonly #cut = new Set<number>()
  readonly #stopped = new Set<number>()
  readonly #names = new Names()
  #lines: string[] = []

  /** What a line may say; after most words come the replicas that it is about, all when there is none. */
  readonly #commands: Readonly<Record<string, (ids: number[], words: string[]) => void>> = {
    start: (ids) => this.#each(ids, (id) => this.#start(id)),
    propose: ([id = 0], [, ...requests]) => this.#propose(id, requests),
    suspect: (ids) =>
      this.#each(ids, (id) => this.#give(id, { type: 'suspect', view: this.#viewOf(id) })),
    fire: ([, ...ids], [name]) => this.#each(ids, (id) => this.#fire(id, name as TimerName)),
    cut: (ids) => this.#each(ids, (id) => this.#cut.add(id)),
    heal: () => this.#cut.clear(),
    deliver: () => this.#deliver(),
    settle: () => {
      while (this.#pending.length > 0) this.#deliver()
    },
    stop: (ids) => this.#each(ids, (id) => this.#stop(id)),
    show: (ids) => this.#each(ids, (id) => this.#show(id)),
  }

  /** Does one line; returns what it led to. */
  run(line: string): string[] {
    this.#lines = []
    const isQuiet = line.endsWith(' quietly')
    const [name = '', ...words] = line.replace(/ quietly$/, '').split(' ')
    const command = this.#commands[name]
    if (command === undefined) throw new Error(`a transcript has no ${name}`)
    command(words.map(Number), words)
    return isQuiet ? [] : this.#lines
  }

  /** The replicas that a line names; all when it names none. */
  #each(ids: readonly number[], act: (id: number) => void): void {
    for (const id of ids.length > 0 ? ids : this.#members.keys()) act(id)
  }

  #member(id: number): Member {
    const member = this.#members[id]
    if (member === undefined) throw new Error(`a transcript has no replica ${id}`)
    return member
  }

  #viewOf(id: number): bigint {
    return this.#member(id).core.inspect().view
  }

  /** Each life asks with a number of its own. */
  #start(id: number): void {
    const { lives } = this.#member(id)
    this.#stopped.delete(id)
    this.#give(id, { type: 'start', query: BigInt(10 * (lives + 1) + id) })
  }

  #propose(id: number, requests: readonly string[]): void {
    this.#give(id, { type: 'propose', batch: this.#names.remember(requests) })
  }

  #fire(id: number, name: TimerName): void {
    const generation = this.#member(id).timers.get(name) ?? -1
    this.#give(id, { type: 'timeout', name, generation })
  }

  /** It starts again from its journal and its state. Until then it hears nothing. */
  #stop(id: number): void {
    const { journal, executed, lives } = this.#member(id)
    this.#members[id] = { ...memberOf(id, journal, executed), lives: lives + 1 }
    this.#pending = this.#pending.filter(({ to }) => to !== id)
    this.#stopped.add(id)
  }

  #show(id: number): void {
    const { failed, timeoutFactor, ...where } = this.#member(id).core.inspect()
    this.#lines.push(`${id} ${this.#names.fieldsOf({ ...where, failed, timeoutFactor })}`)
  }

  /** Lets through what waits now; what comes of it waits for the next line. */
  #deliver(): void {
    const pending = this.#pending
    this.#pending = []
    for (const { to, event } of pending) {
      if (this.#isLost(to, event))
        this.#lines.push(`${event.from} -> ${to} lost: ${event.message.type}`)
      else this.#give(to, event)
    }
  }

  #isLost(to: number, event: ReplicaEvent): event is Extract<ReplicaEvent, { type: 'message' }> {
    if (event.type !== 'message') return false
    return this.#cut.has(to) || this.#cut.has(event.from) || this.#stopped.has(to)
  }

  #give(id: number, event: ReplicaEvent): void {
    const member = this.#member(id)
    if (event.type === 'executed' || event.type === 'transferred') member.executed = event.sequence
    const what = event.type === 'message' ? event.message : event
    const who = event.type === 'message' ? `${event.from} -> ${id}` : `${id}`
    this.#lines.push(`${who} ${this.#names.textOf(what)}`)
    for (const effect of member.core.step(event)) {
      this.#lines.push(`  ${this.#names.textOf(effect)}`)
      this.#perform(id, member, effect)
    }
  }

  #perform(id: number, { journal, timers }: Member, effect: ReplicaEffect): void {
    const answer = (event: ReplicaEvent): void => void this.#pending.push({ to: id, event })
    switch (effect.type) {
      case 'persist':
        journal.push(effect.record)
        break
      case 'send':
        this.#send(id, effect.to, effect.message)
        break
      case 'broadcast':
        for (let to = 0; to < n; to++) if (to !== id) this.#send(id, to, effect.message)
        break
      case 'sign':
        answer({ type: 'signed', message: signed(effect.statement) })
        break
      case 'execute': {
        const { sequence } = effect
        answer({ type: 'executed', sequence, digest: stateDigest(sequence) })
        break
      }
      case 'transfer': {
        const { sequence, digest } = effect
        answer({ type: 'transferred', sequence, digest, earlier: [] })
        break
      }
      case 'startTimer':
        timers.set(effect.name, effect.generation)
        break
      default:
    }
  }

  #send(from: number, to: number, message: Message): void {
    this.#pending.push({ to, event: { type: 'message', from, message } })
  }
}

function memberOf(id: number, journal: JournalRecord[] = [], executed = 0n): Member {
  const digest = executed === 0n ? '' : stateDigest(executed)
  const core = new ReplicaCore({ ...coreOptions, id }, journal, { sequence: executed, digest })
  return { core, journal, executed, timers: new Map(), lives: 0 }
}

/**
 * Words for what a core is given and gives: digests by what they are of, what was heard of a replica as
 * view/accepted/committed, proofs left out.
 */
class Names {
  readonly #byDigest = new Map([[NULL_BATCH.digest, '[]']])

  constructor() {
    for (let sequence = 1n; sequence <= 100n; sequence++)
      this.#byDigest.set(stateDigest(sequence), `state-${sequence}`)
  }

  /** The batch of these requests, known by them from now on. */
  remember(requests: readonly string[]): Batch {
    const batch = batchOf(...requests)
    this.#byDigest.set(batch.digest, `[${requests.join(' ')}]`)
    return batch
  }

  /** The type, then what an event, effect, message or record says. */
  textOf(value: object): string {
    const { type, ...fields } = value as { readonly type?: string }
    const inner = Object.values(fields).find(isTyped)
    if (inner === undefined) return `${type} ${this.fieldsOf(fields)}`.trimEnd()
    const others = Object.fromEntries(Object.entries(fields).filter(([, each]) => each !== inner))
    return [type, this.fieldsOf(others), this.textOf(inner)].filter(Boolean).join(' ')
  }

  /** As `name=value`, in their order. */
  fieldsOf(fields: object): string {
    return Object.entries(fields)
      .filter(([name, value]) => name !== 'proof' && value !== undefined)
      .map(([name, value]) => `${name}=${this.#valueOf(value)}`)
      .join(' ')
  }

  #valueOf(value: unknown): string {
    if (typeof value === 'string') return this.#byDigest.get(value) ?? value
    if (Array.isArray(value)) return `[${value.map((each) => this.#valueOf(each)).join(', ')}]`
    if (typeof value !== 'object' || value === null) return String(value)
    if ('requests' in value && 'digest' in value) return this.#valueOf(value.digest)
    if ('accepted' in value) return Object.values(value).join('/')
    if (!isTyped(value)) return `(${this.fieldsOf(value)})`
    // One that another message brings along, which has said the rest itself.
    const short = Object.entries(value).filter(([, each]) => !Array.isArray(each))
    return `(${this.textOf(Object.fromEntries(short))})`
  }
}

function isTyped(value: unknown): value is { readonly type: string } {
  return typeof value === 'object' && value !== null && 'type' in value
}

import { dirname, join, resolve } from 'node:path'
import { Monitor, openClient } from '@heddle/client'
import { pause } from '@heddle/events'
import { faultsTolerated, quorumOf } from '@heddle/pbft'
import { GaveUp, PeerError, messageOf } from '../errors.ts'
import { dataHolder } from '../node/storage.ts'
import { NetworkLock } from './control.ts'
import { findDescriptor, writeDescriptor } from './descriptor.ts'
import { dataFolder, prepareNetwork } from './prepare.ts'
import { ValidatorProcesses, statusOfEnd } from './processes.ts'
import { saying } from './waiting.ts'
import type { NetworkClient, NetworkDescriptor, ValidatorDescriptor } from '@heddle/client'
import type { Clock } from '@heddle/interface'
import type { heddle } from '@heddle/proto'
import type { NetworkSpec } from './prepare.ts'
import type { ProcessSpec } from './process-spec.ts'
import type { ProcessEnd } from './processes.ts'

/** How long validators may take until a quorum works together. */
const readyTimeoutMs = 60_000

/** How long to wait for the last validators once a quorum is there. */
const patienceMs = 5000

/** How long validators of a `network up` that was killed may take to notice. */
const leftoverTimeoutMs = 10_000

const pollMs = 100

/** Told of what a person should know while a network runs. */
export interface SessionEvents {
  note(text: string): void
  /** Another terminal asks to stop, or too many validators gave up. */
  stop(reason: Error | undefined): void
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function isReady(status: heddle.StatusReply | undefined, quorum: number): boolean {
  return status?.activeView === true && status.connected + 1 >= quorum
}

/** A network that is up, and a client of it. */
export interface UpNetwork {
  readonly client: NetworkClient
  readonly descriptor: NetworkDescriptor
}

/** Those that do not work with the others yet, and how far each is. */
function notWorking(client: NetworkClient, monitor: Monitor, quorum: number): string {
  const waits = client.validators.flatMap(({ name }, index) => {
    const status = monitor.statuses[index]
    if (status === undefined) return [`${name} gives no answer`]
    return isReady(status, quorum) ? [] : [`${name} is connected with ${status.connected}`]
  })
  return `validators to work together: ${waits.join(', ')}`
}

/** A network on this machine, from its start to its end. */
export class NetworkSession {
  readonly #spec: NetworkSpec
  readonly #clock: Clock
  readonly #events: SessionEvents
  readonly #lock: NetworkLock
  readonly #processes: ValidatorProcesses
  #descriptor: NetworkDescriptor | undefined
  #client: NetworkClient | undefined
  #failure: PeerError | undefined
  readonly #givenUp = new Set<string>()
  /** Whether it was said that network.json cannot be written. */
  #noted = false
  /** Resolves when network.json is written as asked last: one write at a time. */
  #written: Promise<void> = Promise.resolve()

  constructor(spec: NetworkSpec, clock: Clock, events: SessionEvents) {
    this.#spec = spec
    this.#clock = clock
    this.#events = events
    this.#lock = new NetworkLock(spec.dir)
    this.#processes = new ValidatorProcesses(clock, (end, restarted) => {
      void this.#ended(end, restarted)
    })
  }

  /**
   * Starts the validators and waits until a quorum works together.
   * @throws {PeerError} PEER_NETWORK_RUNNING, PEER_NETWORK_UNAVAILABLE, and those of preparing
   */
  async up(signal: AbortSignal): Promise<UpNetwork> {
    await this.#lock.acquire({
      stop: () => this.#events.stop(undefined),
      start: (name) => this.#startAgain(name),
    })
    await this.#saying(
      () => `validators of an earlier network in ${this.#spec.dir} to end`,
      () => this.#leftovers(),
    )
    // Before anything is written: what runs goes by the files that are there.
    await this.#refuseRunning()
    const descriptor = await prepareNetwork(this.#spec, this.#clock)
    this.#descriptor = descriptor
    for (const validator of descriptor.validators) this.#processes.start(this.#processOf(validator))
    await this.#publish()
    const client = await openClient(this.#spec.dir, descriptor)
    this.#client = client
    await this.#ready(client, signal)
    return { client, descriptor }
  }

  #processOf({ name, config, log }: ValidatorDescriptor): ProcessSpec {
    const at = (path: string): string => join(this.#spec.dir, path)
    const { acceptLostBlocks = false } = this.#spec
    return { name, config: at(config), log: at(log), acceptLostBlocks }
  }

  /** Starts a validator that gave up; why not, if it cannot. */
  async #startAgain(name: string): Promise<string | undefined> {
    if (this.#processes.isStopping) return 'the network stops'
    const { validators = [] } = this.#descriptor ?? {}
    const validator = validators.find((each) => each.name === name)
    if (validator === undefined) return `there is no validator ${name} in this network`
    const pid = this.#processes.pid(name)
    if (pid !== undefined) return `${name} runs already, as process ${pid}`
    this.#givenUp.delete(name)
    try {
      this.#processes.start(this.#processOf(validator))
    } catch (error) {
      return `${name} was not started: ${messageOf(error)}`
    }
    this.#events.note(`${name} was started again, as another terminal asked`)
    await this.#publish()
    return undefined
  }

  /** Stops everything; nothing is left when it resolves. */
  async down(): Promise<void> {
    this.#client?.close()
    await this.#processes.stop()
    await this.#write((descriptor) => descriptor)
    await this.#lock.release()
  }

  /** Kills all validators at once. */
  kill(): void {
    this.#processes.kill()
  }

  /** Validators of an earlier `network up` that was killed stop by themselves: wait for them. */
  async #leftovers(): Promise<void> {
    const pids = (await findDescriptor(this.#spec.dir))?.validators.map(({ pid }) => pid) ?? []
    const end = this.#clock.now() + leftoverTimeoutMs
    while (pids.some((pid) => pid !== undefined && isAlive(pid)) && this.#clock.now() < end) {
      await pause(this.#clock, pollMs)
    }
  }

  /** Validators started by hand, with `heddle peer start`, hold their data. */
  async #refuseRunning(): Promise<void> {
    const { dir } = this.#spec
    for (const { name, config } of (await findDescriptor(dir))?.validators ?? []) {
      const pid = await dataHolder(join(dir, dirname(config), dataFolder))
      if (pid === undefined) continue
      throw new PeerError(
        'PEER_NETWORK_RUNNING',
        `${name} of the network in ${resolve(dir)} runs already, as process ${pid}`,
        { cure: 'stop the validators that were started by hand, or choose another --dir' },
      )
    }
  }

  /** Writes the process ids into network.json. */
  #publish(): Promise<void> {
    return this.#write((descriptor) => ({
      ...descriptor,
      pid: process.pid,
      validators: descriptor.validators.map((each) => {
        const pid = this.#processes.pid(each.name)
        return pid === undefined ? each : { ...each, pid }
      }),
    }))
  }

  /** Writes network.json after what was to be written before. */
  #write(make: (descriptor: NetworkDescriptor) => NetworkDescriptor): Promise<void> {
    this.#written = this.#written.then(async () => {
      if (this.#descriptor === undefined) return
      try {
        await writeDescriptor(this.#spec.dir, make(this.#descriptor))
      } catch (error) {
        // On a full disk the validators end one after the other; this must not end us first.
        if (!this.#noted) this.#events.note(`network.json was not written: ${messageOf(error)}`)
        this.#noted = true
      }
    })
    return this.#written
  }

  /** Says once what is waited for when that takes longer than a moment. */
  #saying<Result>(what: () => string, work: () => Promise<Result>): Promise<Result> {
    const note = (text: string): void => this.#events.note(text)
    return saying({ clock: this.#clock, note, what }, work)
  }

  async #ready(client: NetworkClient, signal: AbortSignal): Promise<void> {
    const monitor = new Monitor(client, this.#clock)
    const quorum = quorumOf(client.validators.length)
    await this.#saying(
      () => notWorking(client, monitor, quorum),
      () => this.#worksTogether(client, monitor, signal),
    )
  }

  async #worksTogether(
    client: NetworkClient,
    monitor: Monitor,
    signal: AbortSignal,
  ): Promise<void> {
    const all = client.validators.length
    const quorum = quorumOf(all)
    const begin = this.#clock.now()
    let quorumAt: number | undefined
    for (;;) {
      signal.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      await monitor.ask()
      const ready = monitor.statuses.filter((each) => isReady(each, quorum)).length
      const now = this.#clock.now()
      if (ready === all) return
      if (ready >= quorum) quorumAt ??= now
      if (quorumAt !== undefined && now - quorumAt > patienceMs) return
      if (now - begin > readyTimeoutMs) throw this.#notReady(ready, quorum)
      await pause(this.#clock, pollMs)
    }
  }

  #notReady(ready: number, quorum: number): PeerError {
    return new PeerError(
      'PEER_NETWORK_UNAVAILABLE',
      `only ${ready} validators work together after ${readyTimeoutMs / 1000} s, ${quorum} are needed`,
      { cure: `read the logs in ${join(this.#spec.dir, 'validators')}` },
    )
  }

  async #ended(end: ProcessEnd, restarted: boolean): Promise<void> {
    // At once: while the rest is under way, `network start` may take it back.
    if (!restarted) this.#givenUp.add(end.name)
    await this.#publish()
    const how =
      end.signal ?? (end.code === null ? 'it could not be started' : `exit status ${end.code}`)
    if (restarted) {
      this.#events.note(this.#withWords(`${end.name} ended (${how}) and was started again`, end))
      return
    }
    const text = this.#withWords(`${end.name} gave up (${how})`, end)
    const failure = new GaveUp(statusOfEnd(end), text)
    const { validators = [] } = this.#descriptor ?? {}
    const all = validators.length
    if (this.#client !== undefined && this.#givenUp.size <= faultsTolerated(all)) {
      this.#events.note(failure.message)
      return
    }
    // The first is told when all is over; the others most likely have the same reason.
    this.#failure ??= failure
    this.#events.stop(this.#failure)
  }

  /** Adds what a validator said last, and where its log is. */
  #withWords(what: string, { name, words }: ProcessEnd): string {
    const log = this.#descriptor?.validators.find((each) => each.name === name)?.log ?? ''
    const lines = words.split('\n').filter((line) => line !== '')
    const first = lines.length === 0 ? what : `${what}:`
    return [first, ...lines, `  log: ${join(this.#spec.dir, log)}`].join('\n')
  }
}

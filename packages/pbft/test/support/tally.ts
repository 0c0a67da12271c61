import { createHash } from 'node:crypto'
import { requestDigest } from '../../src/wire/request-batch.ts'
import type { Journal, StateMachine, StatePoint, TransferTarget } from '../../src/index.ts'

interface Entry {
  readonly sequence: string
  readonly texts: readonly string[]
}

/** A state machine as a user writes one: it appends batches to its disk, and counts their requests. */
export class Tally implements StateMachine {
  readonly #disk: Journal
  readonly #machineOf: (replica: number) => Tally | undefined
  readonly entries: Entry[] = []
  readonly #executed = new Set<string>()
  #point: StatePoint = { sequence: 0n, digest: new Uint8Array(32) }

  constructor(disk: Journal, machineOf: (replica: number) => Tally | undefined) {
    this.#disk = disk
    this.#machineOf = machineOf
  }

  static async open(...[disk, machineOf]: ConstructorParameters<typeof Tally>): Promise<Tally> {
    const tally = new Tally(disk, machineOf)
    for (const record of await disk.records()) tally.#take(JSON.parse(textOf(record)) as Entry)
    return tally
  }

  get count(): number {
    return this.#executed.size
  }

  check(request: Uint8Array): Promise<string> {
    return Promise.resolve(requestDigest(request))
  }

  isExecuted(id: string): boolean {
    return this.#executed.has(id)
  }

  lastExecuted(): StatePoint {
    return this.#point
  }

  async execute(sequence: bigint, requests: readonly Uint8Array[]): Promise<Uint8Array> {
    const entry = { sequence: sequence.toString(), texts: requests.map(textOf) }
    await this.#disk.append([Buffer.from(JSON.stringify(entry))])
    this.#take(entry)
    return this.#point.digest
  }

  async transfer(target: TransferTarget): Promise<StatePoint> {
    const source = target.replicas
      .map((id) => this.#machineOf(id))
      .find((each) => each !== undefined)
    const from = Number(this.#point.sequence)
    const missing = source?.entries.slice(from, Number(target.sequence)) ?? []
    await this.#disk.append(missing.map((entry) => Buffer.from(JSON.stringify(entry))))
    for (const entry of missing) this.#take(entry)
    return this.#point
  }

  #take(entry: Entry): void {
    const digest = createHash('sha256').update(this.#point.digest).update(JSON.stringify(entry))
    this.entries.push(entry)
    for (const text of entry.texts) this.#executed.add(requestDigest(Buffer.from(text)))
    this.#point = { sequence: BigInt(entry.sequence), digest: digest.digest() }
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

// The fourth validator in hostile hands, with its real keys: all that it may have of the others, at once. A process of its own, ended by its parent.
import { setTimeout as wait } from 'node:timers/promises'
import { mebibyte } from './beside.ts'
import { Batches } from './member-batches.ts'
import { takePlace, type Other, type Place, type Takeover } from './member-place.ts'
import { Requests } from './member-requests.ts'
import { frameOf, framesPerSecond, Words, type Standing } from './member-words.ts'

/** Requests of one frame: no more than a correct sender joins. */
const maxJoinedBytes = 1_000_000
/** When it begins, full or not. */
const giveUpMs = 120_000

process.on('disconnect', () => process.exit(0))
process.on('message', (message: Takeover | 'count') => {
  if (message === 'count') process.send?.({ counted: counts() })
  else void attack(message)
})

/** What it has of the validator that gives it least. */
export interface Filled {
  /** Requests, and MiB of these, that wait there, on average over the attack. */
  readonly requests: number
  readonly mebibytes: number
  /** Messages that had no room any more in the queue for it. */
  readonly unread: number
  /** Messages of the consensus that were sent to it in a second. */
  readonly perSecond: number
  /** Validators that are connected with it at the end. */
  readonly connected: number
}

/** What the metrics of a validator say. */
interface Seen extends Standing {
  readonly requests: number
  readonly bytes: number
  readonly dropped: number
}

/** Of one validator since the beginning. */
class Log {
  readonly other: Other
  last: Seen | undefined
  sent = 0
  #begun: { readonly at: number; readonly sent: number; readonly dropped: number } | undefined
  #looks = 0
  #requests = 0
  #bytes = 0

  constructor(other: Other) {
    this.other = other
  }

  async look(): Promise<void> {
    const text = await (await fetch(`http://${this.other.operations}/metrics`)).text()
    const valueOf = (name: string): number =>
      Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0)
    const pbft = (name: string): number => valueOf(`consensus_pbft_${name}`)
    this.last = {
      view: BigInt(pbft('view_number')),
      low: BigInt(pbft('low_watermark')),
      height: BigInt(valueOf('ledger_blockchain_height{channel="heddle"}')),
      requests: pbft('pool_count_of_elements'),
      bytes: pbft('pool_bytes'),
      dropped: pbft('dropped_messages_total{direction="out"}'),
    }
    if (this.#begun === undefined) return
    this.#looks++
    this.#requests += this.last.requests
    this.#bytes += this.last.bytes
  }

  begin(): void {
    this.#begun = { at: performance.now(), sent: this.sent, dropped: this.last?.dropped ?? 0 }
  }

  get filled(): Omit<Filled, 'connected'> {
    const { at, sent, dropped } = this.#begun!
    return {
      requests: this.#requests / this.#looks,
      mebibytes: this.#bytes / this.#looks / mebibyte,
      unread: (this.last?.dropped ?? 0) - dropped,
      perSecond: ((this.sent - sent) * 1_000) / (performance.now() - at),
    }
  }
}

let place: Place
let logs: Log[] = []

function counts(): Filled {
  const all = logs.map(({ filled }) => filled)
  const least = (name: keyof Log['filled']): number => Math.min(...all.map((each) => each[name]))
  return {
    ...{ requests: least('requests'), mebibytes: least('mebibytes') },
    ...{ unread: least('unread'), perSecond: least('perSecond') },
    connected: place.network.connected,
  }
}

async function attack(takeover: Takeover): Promise<void> {
  const { client, replica } = takeover
  place = await takePlace(takeover)
  logs = takeover.others.map((other) => new Log(other))
  await lookAtAll()
  const requests = await Requests.open(client)
  const batches = new Batches()
  void batches.follow(client, place.genesis, logs[0]!.last!.height)
  const filling = keepFull(requests)
  void speak(new Words(replica, place.signer, client.channelId), batches)
  await filling
  for (const log of logs) log.begin()
  process.send?.('begun')
}

async function lookAtAll(): Promise<void> {
  await Promise.all(logs.map((log) => log.look().catch(() => undefined)))
}

/** Whether a validator keeps as much for this one as it may. */
const isFull = ({ last }: Log): boolean => (last?.bytes ?? 0) > 44 * mebibyte

/** Fills the pools of all, and goes on when they are full, or could not be filled. */
async function keepFull(requests: Requests): Promise<void> {
  const giveUpAt = performance.now() + giveUpMs
  while (!logs.every(isFull) && performance.now() < giveUpAt) await fillOnce(requests)
  void (async () => {
    for (;;) {
      await Promise.all([fillOnce(requests), wait(500)])
    }
  })()
}

/** What a backup gets its primary never does: it stays where it is, but for the oldest. */
async function fillOnce(requests: Requests): Promise<void> {
  await lookAtAll()
  const isPrimary = ({ other, last }: Log): boolean =>
    Number((last?.view ?? 0n) % BigInt(logs.length + 1)) === other.replica
  const backups = logs.filter((log) => !isPrimary(log))
  for (const group of [backups, logs.filter(isPrimary)]) {
    const pools = group.flatMap(({ last }) => last ?? [])
    if (pools.length === 0) continue
    const frames = framesOfForwards(await requests.toFill(pools))
    await Promise.all(
      group.map(async ({ other }) => {
        for (const frame of frames) await send(other, frame)
      }),
    )
  }
}

function framesOfForwards(requests: readonly Uint8Array[]): Uint8Array[] {
  const groups: Uint8Array[][] = []
  let bytes = Infinity
  for (const request of requests) {
    bytes += request.length
    if (bytes > maxJoinedBytes) {
      groups.push([])
      bytes = request.length
    }
    groups.at(-1)!.push(request)
  }
  return groups.map((group) => frameOf(group.map((value) => ({ case: 'forward', value }))))
}

/** Sends all the time what it may say to all. */
async function speak(words: Words, batches: Batches): Promise<void> {
  for (;;) {
    const { last } = logs.find((log) => log.last !== undefined)!
    const frames = words.frames(last!, batches.above(last!.low))
    for (const frame of frames) {
      const tick = wait(1_000 / framesPerSecond)
      for (const message of words.blockSignatures(last!))
        place.network.blockSignatures.broadcast(message)
      for (const log of logs)
        void send(log.other, frame).then(() => (log.sent += words.perSecond / framesPerSecond))
      await tick
    }
  }
}

/** Gives up on what the other does not take. */
async function send({ replica }: Other, frame: Uint8Array): Promise<void> {
  await place.network.consensus.send(replica, frame).catch(() => wait(100))
}

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { encodeBooking } from './bookings.ts'
import type { Booking } from './bookings.ts'
import type { FromReplica, Member, ReplicaFiles, Standing, ToReplica } from './messages.ts'

/** The process of a replica, seen from the one that started it. */
export class RemoteReplica {
  readonly #child: ChildProcess
  #asked = 0

  constructor(files: ReplicaFiles) {
    const script = fileURLToPath(new URL('replica.ts', import.meta.url))
    this.#child = fork(script, [JSON.stringify(files)])
  }

  /** Resolves when it listens, with what the others must know about it. */
  async listening(): Promise<Member> {
    const { address, identity } = await this.#next('listening')
    return { address, identity }
  }

  /** Tells it who the replicas are; resolves when it takes part. */
  async join(members: readonly Member[]): Promise<void> {
    this.#tell({ type: 'members', members })
    await this.#next('ready')
  }

  /** Resolves when the booking was executed here, durably, whoever got the seat. */
  book(booking: Booking): Promise<Standing> {
    const n = this.#asked++
    return this.#ask({ type: 'book', n, request: encodeBooking(booking).toString() })
  }

  standing(): Promise<Standing> {
    return this.#ask({ type: 'status', n: this.#asked++ })
  }

  /** kill -9 */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  /** Lets it end by itself, as it does when the process that started it is gone. */
  async stop(): Promise<number | null> {
    this.#child.disconnect()
    const [status] = (await once(this.#child, 'exit')) as [number | null]
    return status
  }

  #tell(message: ToReplica): void {
    this.#child.send(message)
  }

  async #ask(message: ToReplica & { readonly n: number }): Promise<Standing> {
    this.#tell(message)
    const { standing } = await this.#next('answer', (answer) => answer.n === message.n)
    return standing
  }

  /** The next message of a type; rejects when the process ends before. */
  #next<Type extends FromReplica['type']>(
    type: Type,
    isIt: (message: Extract<FromReplica, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<FromReplica, { type: Type }>> {
    return new Promise((resolve, reject) => {
      const onExit = (status: number | null): void => {
        reject(new Error(`the replica ended with status ${status ?? 'none'}`))
      }
      const onMessage = (message: FromReplica): void => {
        if (message.type !== type) return
        const wanted = message as Extract<FromReplica, { type: Type }>
        if (!isIt(wanted)) return
        this.#child.off('message', onMessage).off('exit', onExit)
        resolve(wanted)
      }
      this.#child.on('message', onMessage).on('exit', onExit)
    })
  }
}

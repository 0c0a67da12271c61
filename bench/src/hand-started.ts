// A network whose four validators are processes of their own, and a client that sends at one rate.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createBroadcastClient, signedEnvelope, type Endpoint } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity, type SigningIdentity } from '@heddle/msp'
import { common, create, encode, heddle } from '@heddle/proto'

const cli = fileURLToPath(new URL('../../packages/peer/bin/heddle.js', import.meta.url))

/** What the bench reads of network.json; paths are relative to the network's folder. */
export interface Descriptor {
  readonly channelId: string
  readonly validators: readonly {
    readonly name: string
    readonly orderer: string
    readonly operations: string
    readonly config: string
    readonly tlsRoots: string
  }[]
  readonly client: {
    readonly mspId: string
    readonly msp: string
    readonly tlsCertificate: string
    readonly tlsKey: string
  }
}

/** The validators of a network, started with `heddle peer start`. */
export class HandStarted {
  readonly dir: string
  readonly descriptor: Descriptor
  readonly #children = new Map<string, ChildProcess>()

  private constructor(dir: string) {
    this.dir = dir
    this.descriptor = JSON.parse(this.read('network.json').toString()) as Descriptor
    for (const name of this.names) this.startValidator(name)
  }

  /** Makes a network in `dir` that has ordered the lines of `input`, and starts its validators again. */
  static start(dir: string, input: string, args: readonly string[] = []): HandStarted {
    const made = ['network', 'up', '--exit', '--dir', dir, '--input', input, ...args]
    const { status } = spawnSync(process.execPath, [cli, ...made], { stdio: 'ignore' })
    if (status !== 0) throw new Error(`heddle network up ended with status ${String(status)}`)
    const network = new HandStarted(dir)
    while (!network.isWell()) network.#assertRunning()
    return network
  }

  get names(): string[] {
    return this.descriptor.validators.map(({ name }) => name)
  }

  described(name: string): Descriptor['validators'][number] {
    return this.descriptor.validators.find((each) => each.name === name)!
  }

  /** Starts the process of a validator, in place of one that has ended. */
  startValidator(name: string, env: NodeJS.ProcessEnv = {}): void {
    this.#children.set(name, this.run(['peer', 'start', '--config', this.path(name)], env))
  }

  /** A command of heddle, in a process of its own. */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, [cli, ...args], {
      stdio: 'ignore',
      env: { ...process.env, ...env },
    })
  }

  /** Where the configuration of a validator is. */
  path(name: string): string {
    return join(this.dir, this.described(name).config)
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#children.get(name)?.kill(signal)
  }

  /** Ends its process at once; resolves when it is gone. */
  async kill(name: string): Promise<void> {
    const child = this.#children.get(name)!
    this.#children.delete(name)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  get endpoints(): Endpoint[] {
    return this.descriptor.validators.map(({ orderer, tlsRoots }) => ({
      address: orderer,
      roots: [this.read(tlsRoots)],
      serverName: 'localhost',
    }))
  }

  get signer(): Promise<SigningIdentity> {
    const { msp, mspId } = this.descriptor.client
    return loadSigningIdentity(join(this.dir, msp), mspId)
  }

  read(path: string): Buffer {
    return readFileSync(join(this.dir, path))
  }

  /** The most memory that one of the validators ever had resident, in bytes. */
  peakBytes(): number {
    this.#assertRunning()
    const peaks = [...this.#children.values()].map(({ pid }) => {
      const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8')
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
    })
    return Math.max(...peaks)
  }

  async stop(): Promise<void> {
    const running = [...this.#children.values()].filter(isRunning)
    for (const child of running) child.kill('SIGTERM')
    await Promise.all(running.map((child) => once(child, 'exit')))
  }

  /** Whether `heddle network status` finds nothing. */
  isWell(): boolean {
    const args = [cli, 'network', 'status', '--dir', this.dir]
    return spawnSync(process.execPath, args, { stdio: 'ignore' }).status === 0
  }

  /** Who is the primary, in the words of the first that answers. */
  primary(): string {
    const args = [cli, 'network', 'status', '--json', '--dir', this.dir]
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    const primary = /"primary":(\d+)/.exec(stdout)?.[1]
    if (primary === undefined) throw new Error(`nobody says who is the primary: ${stdout}`)
    return this.names[Number(primary)]!
  }

  #assertRunning(): void {
    for (const [name, child] of this.#children)
      if (!isRunning(child)) throw new Error(`${name} ended`)
  }
}

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode === null && signalCode === null

/** What became of the envelopes of a {@link sendAt}. */
export interface Answers {
  readonly perSecond: number
  /** Milliseconds from sending to the answer, of each. */
  readonly latencies: readonly number[]
}

/** Sends `rate` records a second for `seconds`, as one client that behaves. Rejects if one is refused. */
export async function sendAt(
  network: HandStarted,
  load: { readonly rate: number; readonly seconds: number; readonly prefix: string },
): Promise<Answers> {
  const { channelId, client } = network.descriptor
  const tls = { certificate: network.read(client.tlsCertificate), key: network.read(client.tlsKey) }
  const signer = await network.signer
  const broadcast = createBroadcastClient(
    { clock: systemClock },
    { endpoints: network.endpoints, tls, faults: 1 },
  )
  await broadcast.start()
  const send = async (id: string): Promise<number> => {
    const call = { contract: 'records', input: Buffer.from(JSON.stringify({ id })) }
    const data = encode(heddle.TransactionSchema, create(heddle.TransactionSchema, call))
    const type = common.HeaderType.MESSAGE
    const content = { channelId, type, data, signer, clock: systemClock }
    const start = performance.now()
    await broadcast.submit((await signedEnvelope(content)).bytes)
    return performance.now() - start
  }
  const start = performance.now()
  const sent: Promise<number>[] = []
  while (sent.length < load.rate * load.seconds) {
    const due = ((performance.now() - start) / 1000) * load.rate
    while (sent.length < due) sent.push(send(`${load.prefix}-${String(sent.length)}`))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const latencies = await Promise.all(sent)
  const perSecond = latencies.length / ((performance.now() - start) / 1000)
  await broadcast.stop()
  return { perSecond, latencies }
}

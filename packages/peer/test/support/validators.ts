import { openClient } from '@heddle/client'
import { systemClock } from '@heddle/events'
import { expect } from 'chai'
import { once } from 'node:events'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { PeerError } from '../../src/errors.ts'
import { freePorts } from '../../src/network/ports.ts'
import { prepareNetwork } from '../../src/network/prepare.ts'
import { eventually } from './eventually.ts'
import type { IncomingMessage } from 'node:http'
import type { NetworkClient, NetworkDescriptor, ValidatorDescriptor } from '@heddle/client'
import type { SigningIdentity } from '@heddle/msp'
import type { heddle } from '@heddle/proto'
import type { Heddle, HeddleOptions, Sandbox } from './heddle.ts'

/** Generous: it only bounds how long a failing test takes. */
const statusTimeoutMs = 20_000

/** Where a validator stands, in texts that can be compared. */
export interface Standing {
  readonly height: bigint
  readonly lastBlock: string
  readonly content: string
}

/** What an operations server answered. */
export interface OperationsReply {
  readonly status: number
  readonly body: string
}

/** As of `network up`. */
const defaultBatchSize = 500

/** How a network is made. */
export interface NetworkOptions {
  /** Requests of a batch; default {@link defaultBatchSize}. */
  readonly batchSize?: number
  /** What goes through it in a first run. */
  readonly input?: string
  /** Of `network up` in that run. */
  readonly args?: readonly string[]
}

let made = 0

/** All that `network up` writes before it starts anything. */
async function prepare(dir: string, batchSize = defaultBatchSize): Promise<void> {
  // Two that are prepared before either listens must not choose the same ports.
  const [basePort] = await freePorts(12, process.pid + 97 * made++)
  await prepareNetwork(
    {
      ...{ dir, validators: undefined, basePort, accounts: new Map<string, bigint>() },
      ...{ batchSize, batchTimeoutMs: 150, loggingSpec: 'info' },
    },
    systemClock,
  )
}

async function runOnce(
  sandbox: Sandbox,
  dir: string,
  { input = '', args = [], batchSize = defaultBatchSize }: NetworkOptions,
): Promise<void> {
  const up = ['network', 'up', '--exit', '--dir', dir, '--input', '-']
  up.push('--batch-size', String(batchSize), ...args)
  const ended = await sandbox.run(up, { input })
  expect(ended.status, ended.stderr).to.equal(0)
}

function describe({ replica, view, activeView, sequence, connected }: heddle.StatusReply): string {
  const state = activeView ? 'active' : 'not active'
  return `replica ${replica}: view ${view} ${state}, sequence ${sequence}, connected ${connected}`
}

/**
 * The four validators of a network, each started by hand with `heddle peer start` as on machines of
 * their own: nobody but the test starts one again.
 */
export class Validators {
  readonly dir: string
  readonly descriptor: NetworkDescriptor
  readonly client: NetworkClient<SigningIdentity>
  readonly #sandbox: Sandbox
  readonly #processes = new Map<string, Heddle>()

  private constructor(
    sandbox: Sandbox,
    parts: { dir: string; descriptor: NetworkDescriptor; client: NetworkClient<SigningIdentity> },
  ) {
    this.#sandbox = sandbox
    this.dir = parts.dir
    this.descriptor = parts.descriptor
    this.client = parts.client
  }

  /** Makes a network in the sandbox; its validators run a first time if anything but `batchSize` is given. */
  static async make(
    sandbox: Sandbox,
    name: string,
    options: NetworkOptions = {},
  ): Promise<Validators> {
    const dir = sandbox.path(name)
    const { input, args } = options
    if (input === undefined && args === undefined) await prepare(dir, options.batchSize)
    else await runOnce(sandbox, dir, options)
    const descriptor = await sandbox.descriptor(name)
    return new Validators(sandbox, { dir, descriptor, client: await openClient(dir, descriptor) })
  }

  get names(): string[] {
    return this.descriptor.validators.map(({ name }) => name)
  }

  /** The process of a validator that was started. */
  process(name: string): Heddle {
    const process = this.#processes.get(name)
    expect(process, `${name} was started`).not.to.equal(undefined)
    return process!
  }

  described(name: string): ValidatorDescriptor {
    const index = this.names.indexOf(name)
    return this.descriptor.validators[index]!
  }

  config(name: string): string {
    return this.#sandbox.path(this.dir.split('/').at(-1)!, this.described(name).config)
  }

  start(name: string, options: HeddleOptions & { readonly more?: readonly string[] } = {}): Heddle {
    const args = ['peer', 'start', '--config', this.config(name), ...(options.more ?? [])]
    const process = this.#sandbox.start(args, options)
    this.#processes.set(name, process)
    return process
  }

  /** Starts all, or the named ones, and waits until they work together. */
  async startAll(names = this.names, options: HeddleOptions = {}): Promise<void> {
    for (const name of names) this.start(name, options)
    await this.ready(names)
  }

  /** kill -9. Resolves when the process is gone. */
  async kill(name: string): Promise<void> {
    const process = this.process(name)
    process.kill('SIGKILL')
    expect(await process.ended).to.equal('SIGKILL')
  }

  /** Stops those that run, as a person would, and expects that they end well. */
  async stop(): Promise<void> {
    this.client.close()
    const running = [...this.#processes.values()].filter((each) => each.running)
    for (const process of running) {
      process.kill('SIGTERM')
      // One that a failed test left frozen takes no other signal.
      process.kill('SIGCONT')
    }
    for (const process of running) expect(await process.ended, process.stderr).to.equal(0)
  }

  /** What a validator says about itself. Rejects when it gives no answer. */
  status(name: string, contentDigest = false): Promise<heddle.StatusReply> {
    const validator = this.client.validators[this.names.indexOf(name)]!
    return validator.status({ timeoutMs: statusTimeoutMs, contentDigest })
  }

  /** Waits until all of them are connected with each other and work in one view. */
  async ready(names = this.names): Promise<void> {
    await eventually(`${names.join(', ')} work together`, async () => {
      const statuses = await Promise.all(names.map((name) => this.status(name)))
      const waiting = statuses.filter(
        (each) => !each.activeView || each.connected < names.length - 1,
      )
      if (waiting.length === 0) return true
      throw new PeerError('PEER_STOPPED', statuses.map(describe).join('; '))
    })
  }

  /** The primary of the view that a running validator is in. */
  async primary(): Promise<string> {
    const running = this.names.filter((name) => this.#processes.get(name)?.running === true)
    const statuses = await Promise.all(running.map((name) => this.status(name)))
    const latest = statuses.reduce((a, b) => (b.view > a.view ? b : a))
    return this.names[latest.primary]!
  }

  async standing(name: string): Promise<Standing> {
    const { height, lastBlockHash, contentDigest } = await this.status(name, true)
    return {
      height,
      lastBlock: Buffer.from(lastBlockHash).toString('hex'),
      content: Buffer.from(contentDigest).toString('hex'),
    }
  }

  /** Waits until all have the same chain and the same state. @returns where they stand */
  async level(names = this.names): Promise<Standing> {
    let standings: Standing[] = []
    await eventually(`${names.join(', ')} have the same chain and state`, async () => {
      standings = await Promise.all(names.map((name) => this.standing(name)))
      return standings.every(
        ({ lastBlock, content }) =>
          lastBlock === standings[0]?.lastBlock && content === standings[0].content,
      )
    })
    return standings[0]!
  }

  /** What its operations server answers. */
  async operations(name: string, path: string): Promise<OperationsReply> {
    const { running, stderr, lines } = this.process(name)
    if (!running)
      throw new PeerError('PEER_STOPPED', `${name} ended: ${stderr} ${lines.slice(-3).join(' ')}`)
    // A connection of its own: one that is kept may be closed by the other side just now.
    const request = get(`http://${this.described(name).operations}${path}`, { agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: await text(response) }
  }

  /** Whether its health check says that it works. */
  async healthy(name: string): Promise<boolean> {
    return (await this.operations(name, '/healthz')).status === 200
  }
}

// What goes wrong with a validator: how long until the health checks of those who must know it say so.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { HandStarted } from './hand-started.ts'
import type { Figure } from './report.ts'

const barSeconds = 10
/** pbft.general.timeout.request of validators, by default. */
const requestTimeoutSeconds = 5
/** When a bench gives up: long after the bar is missed. */
const giveUpMs = 60_000
const dayMs = 24 * 3_600_000
const one = 'validator2'
const shiftedClock = new URL('../../packages/peer/test/support/shifted-clock.mjs', import.meta.url)

function shifted(ms: number): NodeJS.ProcessEnv {
  const NODE_OPTIONS = `--import=${fileURLToPath(shiftedClock)}`
  return { NODE_OPTIONS, HEDDLE_TEST_CLOCK_SHIFT_MS: String(ms) }
}

/** What `/healthz` of a validator names; nothing when it does not answer. */
async function conditionsOf(network: HandStarted, name: string): Promise<string[]> {
  try {
    const reply = await fetch(`http://${network.described(name).operations}/healthz`)
    const said = (await reply.json()) as Record<string, { condition: string }[] | undefined>
    const checks = [...(said['failed_checks'] ?? []), ...(said['degraded_checks'] ?? [])]
    return checks.map(({ condition }) => condition)
  } catch {
    return []
  }
}

async function until(isTrue: () => Promise<boolean> | boolean): Promise<number> {
  const start = performance.now()
  while (!(await isTrue())) {
    if (performance.now() - start > giveUpMs) return Infinity
    await wait(50)
  }
  return (performance.now() - start) / 1_000
}

interface Event {
  readonly name: string
  /** Any of these tells it. */
  readonly conditions: readonly string[]
  readonly seenBy: (network: HandStarted) => readonly string[]
  /** Makes it happen; what it returns takes it back. */
  readonly act: (network: HandStarted) => Promise<() => Promise<void>>
}

const others = (network: HandStarted): string[] => network.names.filter((name) => name !== one)
const itself = (): string[] => [one]
const all = (network: HandStarted): string[] => network.names

/** Its process is started with another environment, and then again without. */
const startedWith =
  (env: (network: HandStarted) => NodeJS.ProcessEnv) =>
  async (network: HandStarted): Promise<() => Promise<void>> => {
    await network.kill(one)
    network.startValidator(one, env(network))
    return async () => {
      await network.kill(one)
      network.startValidator(one)
    }
  }

/** How far a clock has to be ahead so that the certificate of `one` ends in three days. */
function nearItsEnd(network: HandStarted): number {
  const config = network.path(one)
  const [, msp] = /mspConfigPath: (.*)/.exec(readFileSync(config, 'utf8'))!
  const folder = join(dirname(config), msp!, 'signcerts')
  const [file] = readdirSync(folder)
  const { validTo } = new X509Certificate(readFileSync(join(folder, file!)))
  return Date.parse(validTo) - Date.now() - 3 * dayMs
}

/** 120 blocks come while it is down; then it hears of them, and cannot fetch them. */
async function leaveBehind(network: HandStarted): Promise<() => Promise<void>> {
  await network.kill(one)
  await submitted(network, 120)
  const config = network.path(one)
  const good = readFileSync(config, 'utf8')
  writeFileSync(config, good.replaceAll(/( {4}orderer: 127\.0\.0\.1):\d+/g, '$1:1'))
  network.startValidator(one)
  return async () => {
    await network.kill(one)
    writeFileSync(config, good)
    network.startValidator(one)
  }
}

/** Submits so many lines; false when `heddle submit` could reach nobody, or did not get an answer to all. */
async function isTaken(network: HandStarted, count: number): Promise<boolean> {
  const input = join(network.dir, 'lines.ndjson')
  const id = performance.now()
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ id: `${id} ${i}` }))
  writeFileSync(input, lines.join('\n') + '\n')
  const command = network.run(['submit', input, '--dir', network.dir])
  const [status] = (await once(command, 'exit')) as [number | null]
  return status === 0
}

async function submitted(network: HandStarted, count: number): Promise<void> {
  if (!(await isTaken(network, count))) throw new Error('heddle submit failed')
}

const events: readonly Event[] = [
  {
    ...{ name: 'a validator is down', conditions: ['validator-down'], seenBy: others },
    act: async (network) => {
      await network.kill(one)
      return () => {
        network.startValidator(one)
        return Promise.resolve()
      }
    },
  },
  {
    ...{
      name: 'a validator is frozen',
      conditions: ['validator-silent', 'validator-down'],
      seenBy: others,
    },
    act: (network) => {
      network.signal(one, 'SIGSTOP')
      return Promise.resolve(() => {
        network.signal(one, 'SIGCONT')
        return Promise.resolve()
      })
    },
  },
  {
    name: 'nobody commits though requests wait',
    conditions: ['requests-wait'],
    seenBy: () => ['validator0', 'validator1'],
    act: (network) => {
      const frozen = ['validator2', 'validator3']
      for (const name of frozen) network.signal(name, 'SIGSTOP')
      const done = submitted(network, 2)
      return Promise.resolve(() => {
        for (const name of frozen) network.signal(name, 'SIGCONT')
        return done
      })
    },
  },
  {
    ...{ name: 'a clock is off', conditions: ['clock-off'], seenBy: all },
    act: startedWith(() => shifted(120_000)),
  },
  {
    ...{ name: 'settings differ', conditions: ['settings-differ'], seenBy: all },
    act: startedWith(() => ({ CORE_PBFT_GENERAL_K: '7' })),
  },
  {
    ...{
      name: 'a certificate under a week',
      conditions: ['certificate-ends-soon'],
      seenBy: itself,
    },
    act: startedWith((network) => shifted(nearItsEnd(network))),
  },
  { name: '60 blocks behind', conditions: ['behind'], seenBy: itself, act: leaveBehind },
  {
    ...{ name: 'two processes are one validator', conditions: ['same-identity'], seenBy: all },
    act: async (network) => {
      const second = network.run(['peer', 'start', '--config', network.path(one)], {
        CORE_PEER_FILESYSTEMPATH: join(network.dir, 'second'),
        CORE_PEER_LISTENADDRESS: '127.0.0.1:0',
        CORE_GENERAL_LISTENADDRESS: '127.0.0.1:0',
        CORE_OPERATIONS_LISTENADDRESS: '127.0.0.1:0',
      })
      await once(second, 'spawn')
      return async () => {
        second.kill('SIGTERM')
        await once(second, 'exit')
      }
    },
  },
]

/** Whether `name` says one of them, or said so before: what is noticed may become worse meanwhile. */
function saying(network: HandStarted, name: string, conditions: readonly string[]) {
  let hasSaid = false
  return async (): Promise<boolean> => {
    if (!hasSaid) {
      const said = await conditionsOf(network, name)
      hasSaid = said.some((each) => conditions.includes(each))
    }
    return hasSaid
  }
}

async function measure(network: HandStarted, event: Event): Promise<Figure> {
  const { name, conditions, seenBy, act } = event
  const takeBack = await act(network)
  const sayings = seenBy(network).map((each) => saying(network, each, conditions))
  const seconds = await until(async () => {
    return (await Promise.all(sayings.map((isSaid) => isSaid()))).every(Boolean)
  })
  await takeBack()
  await over(network)
  const bar = { of: 'value', atMost: barSeconds } as const
  return { name: `known: ${name}`, value: seconds, unit: 's', bar }
}

/** Resolves when nobody names anything any more. */
async function over(network: HandStarted): Promise<void> {
  await until(async () => {
    const said = await Promise.all(network.names.map((name) => conditionsOf(network, name)))
    return network.isWell() && said.every((conditions) => conditions.length === 0)
  })
}

/** From what befalls a network until a line that is submitted then is acknowledged. */
interface Blow {
  readonly name: string
  /** What returns takes it back. */
  readonly strike: (network: HandStarted) => Promise<() => void> | (() => void)
}

async function killPrimary(network: HandStarted): Promise<() => void> {
  const primary = network.primary()
  await network.kill(primary)
  return () => {
    network.startValidator(primary)
  }
}

const blows: readonly Blow[] = [
  {
    name: 'a frozen primary',
    strike: (network) => {
      const primary = network.primary()
      network.signal(primary, 'SIGSTOP')
      return () => {
        network.signal(primary, 'SIGCONT')
      }
    },
  },
  { name: 'a killed primary', strike: killPrimary },
  {
    name: 'a killed primary, in the instant in which another was thawed',
    strike: async (network) => {
      const primary = network.primary()
      const other = network.names.find((name) => name !== primary)!
      network.signal(other, 'SIGSTOP')
      await submitted(network, 200)
      network.signal(other, 'SIGCONT')
      await network.kill(primary)
      return () => {
        network.startValidator(primary)
      }
    },
  },
  {
    name: 'the second of two killed primaries',
    strike: async (network) => {
      const startAgain = await killPrimary(network)
      await submitted(network, 1)
      startAgain()
      await over(network)
      return killPrimary(network)
    },
  },
  {
    name: 'all killed and started',
    strike: async (network) => {
      await Promise.all(network.names.map((name) => network.kill(name)))
      for (const name of network.names) network.startValidator(name)
      return () => undefined
    },
  },
]

async function recovery(network: HandStarted, { name, strike }: Blow): Promise<Figure> {
  const takeBack = await strike(network)
  const seconds = await until(() => isTaken(network, 1))
  takeBack()
  await over(network)
  const bar = { of: 'value', atMost: 2 * requestTimeoutSeconds } as const
  return { name: `${name}: the next acknowledgement`, value: seconds, unit: 's', bar }
}

export async function run(): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  try {
    const input = join(dir, 'input.ndjson')
    writeFileSync(input, '{"id":1}\n')
    // Each line its own block.
    const network = HandStarted.start(join(dir, 'network'), input, ['--batch-size', '1'])
    try {
      const figures: Figure[] = []
      for (const blow of blows) figures.push(await recovery(network, blow))
      for (const event of events) figures.push(await measure(network, event))
      return figures
    } finally {
      await network.stop()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

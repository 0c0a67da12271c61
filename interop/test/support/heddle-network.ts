import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from './eventually.ts'
import { Program } from './program.ts'

/** The command line, as npx finds it. */
export const heddle = fileURLToPath(
  new URL('../../../packages/peer/bin/heddle.js', import.meta.url),
)

/** Longest start of a network, with its first transactions, on a busy machine. */
const startMs = 60_000

interface Descriptor {
  readonly channelId: string
  readonly validators: readonly { readonly orderer: string; readonly tlsRoots: string }[]
  readonly client: {
    readonly mspId: string
    readonly msp: string
    readonly tlsCertificate: string
    readonly tlsKey: string
  }
}

/** Four validators as `heddle network up` starts them, in a folder of their own. */
export class HeddleNetwork {
  readonly dir: string
  readonly #program: Program
  #descriptor: Descriptor | undefined

  private constructor(dir: string, program: Program) {
    this.dir = dir
    this.#program = program
  }

  /** A folder for {@link up}, to put material into beforehand. */
  static makeFolder(): Promise<string> {
    return mkdtemp(join(tmpdir(), 'heddle-interop-'))
  }

  /** Starts a network, free ports, and puts `records` records through it in small blocks. */
  static async up(dir: string, records: number): Promise<HeddleNetwork> {
    const input = join(dir, 'input.ndjson')
    const lines = Array.from({ length: records }, (_, id) =>
      JSON.stringify({ id: `r${id}`, number: id }),
    )
    await writeFile(input, `${lines.join('\n')}\n`)
    const program = new Program(
      [
        process.execPath,
        heddle,
        ...['network', 'up', '--json', '--dir', dir, '--input', input, '--batch-size', '10'],
      ],
      { name: 'heddle network up' },
    )
    const network = new HeddleNetwork(dir, program)
    try {
      await eventually('the network has taken its input', () => network.#ready(), startMs)
      program.assertRunning()
      const json = await readFile(join(dir, 'network.json'), 'utf8')
      network.#descriptor = JSON.parse(json) as Descriptor
    } catch (error) {
      await network.down()
      throw new Error(program.output.slice(-3000), { cause: error })
    }
    return network
  }

  get descriptor(): Descriptor {
    if (this.#descriptor === undefined) throw new Error('the network does not run')
    return this.#descriptor
  }

  /** A file named by the descriptor. */
  read(path: string): Promise<Buffer> {
    return readFile(join(this.dir, path))
  }

  /** Stops the validators and removes the folder. */
  async down(): Promise<void> {
    await this.#program.stop()
    await rm(this.dir, { recursive: true, force: true })
  }

  #ready(): true | undefined {
    const { output } = this.#program
    const ended = !this.#program.running
    return ended || output.includes('{"type":"summary"') ? true : undefined
  }
}

import { open, readFile, rename } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockSink, LedgerInfo } from '@heddle/deliver'
import { isConfigBlock } from '@heddle/proto'
import type { Received, common } from '@heddle/proto'
import { linesOf } from './lines.ts'

/** How far the feed came. One file, replaced at once: that moment makes a block count. */
interface Checkpoint {
  /** The next block's number. */
  readonly height: string
  /** Length of the feed up to there; what lies behind it a crash has left. */
  readonly length: number
  /** By number, in base64: the block that the next one must follow, and the configuration in force. */
  readonly kept: Readonly<Record<string, string>>
  readonly config: string
}

const beginning: Checkpoint = { height: '0', length: 0, kept: {}, config: '0' }

/** `transactions.ndjson` and `checkpoint.json` in a folder: where blocks go, and where to go on. */
export class FeedFile implements LedgerInfo, BlockSink {
  readonly #dir: string
  readonly #file: FileHandle
  #checkpoint: Checkpoint

  private constructor(dir: string, file: FileHandle, checkpoint: Checkpoint) {
    this.#dir = dir
    this.#file = file
    this.#checkpoint = checkpoint
  }

  static async open(dir: string): Promise<FeedFile> {
    const text = await readFile(join(dir, 'checkpoint.json'), 'utf8').catch(() => undefined)
    const checkpoint = text === undefined ? beginning : (JSON.parse(text) as Checkpoint)
    const flags = text === undefined ? 'w' : 'r+'
    const file = await open(join(dir, 'transactions.ndjson'), flags)
    await file.truncate(checkpoint.length)
    return new FeedFile(dir, file, checkpoint)
  }

  height(): bigint {
    return BigInt(this.#checkpoint.height)
  }

  /** Of all blocks the service needs two to go on: the last one, and the last configuration. */
  block(number: bigint): Promise<Uint8Array | undefined> {
    const kept = this.#checkpoint.kept[number.toString()]
    return Promise.resolve(kept === undefined ? undefined : Buffer.from(kept, 'base64'))
  }

  /** Lines first, then the checkpoint: after a crash in between, the lines are written again. */
  async put({ message, bytes }: Received<common.Block>): Promise<void> {
    const lines = Buffer.from(linesOf(message).join(''))
    const { length, kept, config } = this.#checkpoint
    await this.#file.write(lines, 0, lines.length, length)
    await this.#file.datasync()
    const number = this.height().toString()
    const next = {
      height: (this.height() + 1n).toString(),
      length: length + lines.length,
      kept: { [config]: kept[config] ?? '', [number]: Buffer.from(bytes).toString('base64') },
      config: isConfigBlock(message) ? number : config,
    }
    await writeWhole(join(this.#dir, 'checkpoint.json'), JSON.stringify(next))
    this.#checkpoint = next
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

/** Whoever reads `path` gets the old content or the new one, also after a crash. */
async function writeWhole(path: string, content: string): Promise<void> {
  const file = await open(`${path}.new`, 'w')
  try {
    await file.writeFile(content)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

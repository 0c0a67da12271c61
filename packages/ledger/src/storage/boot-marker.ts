import { join } from 'node:path'
import type { Files } from './storage.ts'

const fileName = 'boot'
/** In the marker, after everything was synced and closed. */
const clean = 'clean'

/**
 * A file in a directory that says in which boot of the machine what lies beside it was last open, or
 * that it was synced and closed. Unless it names another boot, no power loss came between.
 */
export class BootMarker {
  readonly #files: Files
  readonly #directory: string
  readonly #boot: string | undefined

  /** @param boot - of this machine, now; undefined where boots cannot be told apart */
  constructor(files: Files, directory: string, boot: string | undefined) {
    this.#files = files
    this.#directory = directory
    this.#boot = boot
  }

  /** Whether the power cannot have failed since this was last open. False when that is unknown. */
  async wasPowerKept(): Promise<boolean> {
    if (this.#boot === undefined) return false
    const known = await this.#read()
    return known === this.#boot || known === clean
  }

  /** It is open from now on: before anything is written. */
  async opened(): Promise<void> {
    if (this.#boot !== undefined && (await this.#read()) !== this.#boot)
      await this.#write(this.#boot)
  }

  /** All of it is synced, and nothing more will be written. */
  async closed(): Promise<void> {
    if (this.#boot !== undefined) await this.#write(clean)
  }

  async #read(): Promise<string | undefined> {
    if (!(await this.#files.list(this.#directory)).includes(fileName)) return undefined
    const file = await this.#files.open(join(this.#directory, fileName), 'read')
    try {
      const bytes = Buffer.alloc(await file.size())
      const read = await file.read(bytes, 0)
      return bytes.toString('latin1', 0, read)
    } finally {
      await file.close()
    }
  }

  async #write(text: string): Promise<void> {
    const file = await this.#files.open(join(this.#directory, fileName), 'write')
    try {
      await file.truncate(0)
      await file.write([Buffer.from(text, 'latin1')], 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#files.syncDirectory(this.#directory)
  }
}

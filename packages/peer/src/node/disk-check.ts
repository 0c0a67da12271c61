import { hold } from './conditions.ts'
import type { Clock, Gauge, Metrics } from '@heddle/interface'
import type { ConditionSink } from './conditions.ts'

/** How often the disk is looked at, in milliseconds. */
export const diskIntervalMs = 5000

/** With fewer bytes free it is said that the disk is nearly full: some minutes under full load. */
export const lowSpaceBytes = 512 * 1024 * 1024

/** On a small disk, with a smaller part of it free than this. */
export const lowSpaceShare = 0.05

/** What a file system has. */
export interface DiskSpace {
  /** A folder on it. */
  readonly path: string
  readonly freeBytes: number
  readonly bytes: number
}

/** What is said of a disk with too little free space; undefined: it has enough. */
export function lowSpaceReason({ path, freeBytes, bytes }: DiskSpace): string | undefined {
  if (freeBytes >= Math.min(lowSpaceBytes, bytes * lowSpaceShare)) return undefined
  return `${Math.floor(freeBytes / 1024 ** 2)} MiB are free for ${path}`
}

/** What a {@link DiskCheck} looks at. */
export interface DiskCheckDeps {
  readonly storage: {
    missingFiles(): Promise<readonly string[]>
    space(): Promise<DiskSpace>
  }
  readonly clock: Clock
  readonly conditions: ConditionSink
  readonly metrics?: Metrics
}

/** Says which files were taken from a validator while it runs, and when its disk is nearly full. */
export class DiskCheck {
  readonly #deps: DiskCheckDeps
  readonly #free: Gauge | undefined
  #isLooking = false
  #lookedAt: number | undefined

  constructor(deps: DiskCheckDeps) {
    this.#deps = deps
    this.#free = deps.metrics?.gauge({
      name: 'heddle_disk_free_bytes',
      help: 'Free bytes on the disk of the data folder.',
    })
  }

  /** Begins to look, unless it did lately; what it finds is said when it is known. */
  look(): void {
    const now = this.#deps.clock.now()
    if (this.#isLooking || now - (this.#lookedAt ?? -Infinity) < diskIntervalMs) return
    this.#lookedAt = now
    this.#isLooking = true
    void this.#look().finally(() => {
      this.#isLooking = false
    })
  }

  /** What cannot be looked at, as while it is being closed, is as it was. */
  async #look(): Promise<void> {
    const { storage } = this.#deps
    const told = (found: Promise<void>): Promise<void> => found.catch(() => undefined)
    await told(storage.missingFiles().then((paths) => this.#sayMissing(paths)))
    await told(storage.space().then((space) => this.#saySpace(space)))
  }

  #sayMissing(paths: readonly string[]): void {
    const [first, ...more] = paths
    const others = more.length === 0 ? '' : `, and ${more.length} more`
    const reason = `${first} was removed, moved or replaced${others}`
    hold(this.#deps.conditions, 'files-missing', first === undefined ? undefined : { reason })
  }

  #saySpace(space: DiskSpace): void {
    this.#free?.set(space.freeBytes)
    const reason = lowSpaceReason(space)
    hold(this.#deps.conditions, 'disk-nearly-full', reason === undefined ? undefined : { reason })
  }
}

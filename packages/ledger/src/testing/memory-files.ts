import type { Files, StorageFile } from '../storage/storage.ts'

/**
 * What a crash leaves of what was not synced: nothing (`lose`), everything (`keep`), or some pieces of
 * 512 bytes (`torn`). With `process` only the process dies: all that was written is there, and what
 * was not synced still is not.
 */
export type CrashMode = 'lose' | 'keep' | 'torn' | 'process'

/** Bytes that a disk writes at once. */
const sectorBytes = 512

/** A file, and what of it is on the disk. */
class MemoryNode {
  current: Buffer
  durable: Buffer

  constructor(bytes = Buffer.alloc(0)) {
    this.current = bytes
    this.durable = Buffer.from(bytes)
  }

  /** What is there after a crash. */
  afterCrash(mode: CrashMode, random: () => number): MemoryNode {
    if (mode === 'keep') return new MemoryNode(Buffer.from(this.current))
    if (mode === 'process') {
      const node = new MemoryNode(Buffer.from(this.current))
      node.durable = Buffer.from(this.durable)
      return node
    }
    if (mode === 'lose') return new MemoryNode(Buffer.from(this.durable))
    const bytes = Buffer.from(this.durable)
    // The new size may be known to the disk or not; what was not written reads as zeros.
    const size = random() < 0.5 ? this.current.length : this.durable.length
    const result = Buffer.alloc(size)
    bytes.copy(result)
    for (let at = 0; at < size; at += sectorBytes) {
      const piece = this.current.subarray(at, Math.min(at + sectorBytes, size))
      if (random() < 0.5) piece.copy(result, at)
    }
    return new MemoryNode(result)
  }
}

class MemoryFile implements StorageFile {
  readonly #node: MemoryNode
  readonly #names: ReadonlyMap<string, MemoryNode>

  constructor(node: MemoryNode, names: ReadonlyMap<string, MemoryNode>) {
    this.#node = node
    this.#names = names
  }

  size(): Promise<number> {
    return Promise.resolve(this.#node.current.length)
  }

  read(buffer: Uint8Array, position: number): Promise<number> {
    const bytes = this.#node.current.subarray(position, position + buffer.length)
    buffer.set(bytes)
    return Promise.resolve(bytes.length)
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(buffers)
    const { current } = this.#node
    const size = Math.max(current.length, position + bytes.length)
    const next = size === current.length ? current : Buffer.alloc(size)
    if (next !== current) current.copy(next)
    bytes.copy(next, position)
    this.#node.current = next
    return Promise.resolve()
  }

  sync(): Promise<void> {
    this.#node.durable = Buffer.from(this.#node.current)
    return Promise.resolve()
  }

  truncate(size: number): Promise<void> {
    this.#node.current = Buffer.from(this.#node.current.subarray(0, size))
    return this.sync()
  }

  isAt(path: string): Promise<boolean> {
    return Promise.resolve(this.#names.get(path) === this.#node)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/** Files in memory that know what a power loss would leave of them. */
export class MemoryFiles implements Files {
  readonly #names = new Map<string, MemoryNode>()
  readonly #durableNames = new Map<string, MemoryNode>()

  makeDirectory(): Promise<void> {
    return Promise.resolve()
  }

  list(directory: string): Promise<string[]> {
    const prefix = `${directory}/`
    const inside = [...this.#names.keys()].filter((path) => path.startsWith(prefix))
    return Promise.resolve(inside.map((path) => path.slice(prefix.length)))
  }

  open(path: string, mode: 'read' | 'write'): Promise<StorageFile> {
    let node = this.#names.get(path)
    if (node === undefined) {
      if (mode === 'read') return Promise.reject(errno('ENOENT', path))
      node = new MemoryNode()
      this.#names.set(path, node)
    }
    return Promise.resolve(new MemoryFile(node, this.#names))
  }

  rename(from: string, to: string): Promise<void> {
    const node = this.#names.get(from)
    if (node === undefined) return Promise.reject(errno('ENOENT', from))
    this.#names.delete(from)
    this.#names.set(to, node)
    return Promise.resolve()
  }

  remove(path: string): Promise<void> {
    this.#names.delete(path)
    return Promise.resolve()
  }

  syncDirectory(path: string): Promise<void> {
    const prefix = `${path}/`
    for (const name of this.#durableNames.keys()) {
      if (name.startsWith(prefix)) this.#durableNames.delete(name)
    }
    for (const [name, node] of this.#names) {
      if (name.startsWith(prefix)) this.#durableNames.set(name, node)
    }
    return Promise.resolve()
  }

  /** The bytes of a file, to look at or to damage; absent when there is none. */
  bytes(path: string): Buffer | undefined {
    return this.#names.get(path)?.current
  }

  /** Replaces the bytes of a file, synced. */
  put(path: string, bytes: Uint8Array): void {
    const node = new MemoryNode(Buffer.from(bytes))
    this.#names.set(path, node)
    this.#durableNames.set(path, node)
  }

  /** What is there after a crash. Whoever holds on to these files changes nothing of it. */
  afterCrash(mode: CrashMode, random: () => number): MemoryFiles {
    const files = new MemoryFiles()
    const nodes = new Map<MemoryNode, MemoryNode>()
    const after = (node: MemoryNode): MemoryNode => {
      const known = nodes.get(node) ?? node.afterCrash(mode, random)
      nodes.set(node, known)
      return known
    }
    const hasAllNames = mode === 'keep' || mode === 'process'
    for (const [path, node] of hasAllNames ? this.#names : this.#durableNames) {
      files.#names.set(path, after(node))
    }
    for (const [path, node] of mode === 'process' ? this.#durableNames : files.#names) {
      files.#durableNames.set(path, mode === 'process' ? after(node) : node)
    }
    return files
  }
}

/** An error as the operating system reports it. */
export function errno(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}

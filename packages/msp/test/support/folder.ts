import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generateOrganization } from '../../src/index.ts'
import { temporaryDir } from './temporary.ts'

/** Writes `dir`/`path`, with the folders above it. */
export function put(dir: string, path: string, text: string | Uint8Array): string {
  const file = join(dir, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

/** The MSP folder of a peer, made anew. */
export async function peerFolder(): Promise<string> {
  const { nodes } = await generateOrganization({
    mspId: 'Org1MSP',
    domain: 'org1.example.com',
    dir: temporaryDir(),
    nodes: [{ name: 'peer0', role: 'peer' }],
  })
  return nodes[0]!.mspDir
}

/** Mounts what is in `dir` as Kubernetes mounts a Secret: file -> ..data/file, ..data -> ..<date>. */
export function mountAsSecret(dir: string): void {
  const stamp = '..2026_11_29_10_00_00.123456789'
  const files = readdirSync(dir)
  mkdirSync(join(dir, stamp))
  for (const file of files) {
    renameSync(join(dir, file), join(dir, stamp, file))
    symlinkSync(join('..data', file), join(dir, file))
  }
  symlinkSync(stamp, join(dir, '..data'))
}

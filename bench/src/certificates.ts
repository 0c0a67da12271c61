// Certificates on disk for the two processes of a bench, made once for each run.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateOrganization, type GeneratedNode, type GeneratedOrganization } from '@heddle/msp'

export interface TlsPair {
  readonly certificate: string
  readonly key: string
  readonly root: string
}

export const mspId = 'BenchMSP'

/** Two peers of one organisation, `left` and `right`; `remove` deletes everything again. */
export async function makeOrganization(): Promise<{
  organization: GeneratedOrganization
  remove: () => void
}> {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  const nodes = ['left', 'right'].map((name) => ({ name, role: 'peer' as const }))
  const organization = await generateOrganization({
    mspId,
    domain: 'bench.example.com',
    dir,
    nodes: nodes.map((node) => ({ ...node, sans: ['localhost'] })),
  })
  return { organization, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

export function tlsOf({ tls }: GeneratedNode): TlsPair {
  const read = (path: string): string => readFileSync(path, 'utf8')
  return { certificate: read(tls.certificate), key: read(tls.key), root: read(tls.roots) }
}

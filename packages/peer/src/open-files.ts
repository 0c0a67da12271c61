import { PeerError } from './errors.ts'

/** Files that are open at once while the modules of heddle are loaded: 72 were measured. */
export const filesToLoad = 96

/** Files, pipes and connections for each validator of the network: 6 were measured under load. */
const filesEach = 10

/** Files that a process of a network of so many validators may have open at once. */
export function filesNeeded(validators: number): number {
  return filesToLoad + validators * filesEach
}

/**
 * Connections that whoever reaches the ports may hold beside: 256 that say nothing at each of the two gRPC
 * ports, 64 at the operations port, and those of one client certificate.
 */
const strangers = 2 * 256 + 64 + 64

/** Open files with which strangers keep nobody else out, of a network of so many validators. */
export function filesAmongStrangers(validators: number): number {
  return filesNeeded(validators) + strangers
}

/** Files that this process may have open; Infinity where nothing limits them. */
export function openFilesLimit(): number {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | 'unlimited' } }
  }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : Infinity
}

/**
 * Refuses to begin what would fail in the middle for want of open files.
 * @param what - who needs them: `a network of 4 validators`
 * @throws {PeerError} PEER_SYSTEM_LIMIT
 */
export function requireOpenFiles(needed: number, what: string, limit = openFilesLimit()): void {
  if (limit >= needed) return
  throw new PeerError(
    'PEER_SYSTEM_LIMIT',
    `${what} needs ${needed} open files, and this process may have ${limit}`,
    { cure: 'raise the limit: `ulimit -n 1024`, or LimitNOFILE=1024 for a service of systemd' },
  )
}

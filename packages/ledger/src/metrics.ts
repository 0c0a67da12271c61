import type { Metrics } from '@heddle/interface'

/** What a ledger tells its operator. Labelled with the channel. Names as Fabric's where it has one. */
export interface LedgerMetrics {
  height(height: bigint): void
  appended(blocks: number, bytes: number, seconds: number): void
  stateCommitted(seconds: number): void
  failed(code: string): void
}

/** Registers the metrics, once for a ledger. */
export function ledgerMetrics(metrics: Metrics | undefined, channel: string): LedgerMetrics {
  const labelNames = ['channel']
  const labels = { channel }
  const height = metrics?.gauge({
    name: 'ledger_blockchain_height',
    help: 'Number of durable blocks',
    labelNames,
  })
  const commitTime = metrics?.histogram({
    name: 'ledger_blockstorage_commit_time',
    help: 'Seconds to write and sync a group of blocks',
    labelNames,
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1],
  })
  const stateTime = metrics?.histogram({
    name: 'ledger_statedb_commit_time',
    help: 'Seconds to commit the writes of a group of blocks to the state',
    labelNames,
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1],
  })
  const bytesTotal = metrics?.counter({
    name: 'ledger_appended_bytes_total',
    help: 'Bytes of blocks made durable',
    labelNames,
  })
  const blocksTotal = metrics?.counter({
    name: 'ledger_appended_blocks_total',
    help: 'Blocks made durable by this process',
    labelNames,
  })
  const failures = metrics?.counter({
    name: 'ledger_failed_commits_total',
    help: 'Groups of blocks or state changes that could not be stored',
    labelNames: ['channel', 'code'],
  })
  return {
    height: (value) => height?.set(Number(value), labels),
    appended: (blocks, bytes, seconds) => {
      blocksTotal?.add(blocks, labels)
      bytesTotal?.add(bytes, labels)
      commitTime?.observe(seconds, labels)
    },
    stateCommitted: (seconds) => stateTime?.observe(seconds, labels),
    failed: (code) => failures?.add(1, { ...labels, code }),
  }
}

/** What a journal tells its operator. */
export interface JournalMetrics {
  appended(appends: number, bytes: number, size: number): void
  failed(code: string): void
}

/** Registers the metrics, once for a journal. */
export function journalMetrics(metrics: Metrics | undefined): JournalMetrics {
  const appends = metrics?.counter({
    name: 'ledger_journal_appends_total',
    help: 'Appends made durable',
  })
  const bytesTotal = metrics?.counter({
    name: 'ledger_journal_bytes_total',
    help: 'Bytes of appends made durable',
  })
  const size = metrics?.gauge({ name: 'ledger_journal_size_bytes', help: 'Size of the journal' })
  const failures = metrics?.counter({
    name: 'ledger_journal_failures_total',
    help: 'Appends, reads and rewrites that failed',
    labelNames: ['code'],
  })
  return {
    appended: (count, bytes, now) => {
      appends?.add(count)
      bytesTotal?.add(bytes)
      size?.set(now)
    },
    failed: (code) => failures?.add(1, { code }),
  }
}

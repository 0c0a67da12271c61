/** Package `kvrwset`: what a transaction read and wrote, by key. */
export * from './gen/ledger/rwset/kvrwset/kv_rwset_pb.ts'

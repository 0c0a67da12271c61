/** Package `rwset`: what a transaction read and wrote, by namespace. */
export * from './gen/ledger/rwset/rwset_pb.ts'

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@heddle/events'
import { BlockSignatureCollector } from '@heddle/orderer'
import { common, decode, receive } from '@heddle/proto'
import { EnvelopeChecker } from '../../src/engine/envelope-checker.ts'
import { Engine } from '../../src/engine/engine.ts'
import { TransactionReader } from '../../src/engine/transaction.ts'
import { createSignatureArchive } from '../../src/node/signature-archive.ts'
import { openStorage } from '../../src/node/storage.ts'
import { createValidatorVerifier } from '../../src/node/validator-verifier.ts'
import { OfferVerifier } from '../../src/switch/offer.ts'
import { createMetrics } from '../../src/operations/metrics.ts'
import { channelId, testChannel, testMembers } from './channel.ts'
import { RecordingLogger } from './recording-logger.ts'
import type { BlockSource } from '../../src/engine/engine.ts'
import type { Logger } from '@heddle/interface'
import type { Storage } from '../../src/node/storage.ts'
import type { TestChannel } from './channel.ts'

/** How far the time of a transaction may be from now. */
export const timeWindowMs = 900_000

/** An engine over a ledger on the disk, as a validator that is alone in its channel has it. */
export interface TestEngine {
  readonly engine: Engine
  readonly storage: Storage
  readonly reader: TransactionReader
  readonly channel: TestChannel
  /** Closes it and opens another one over the same folder. */
  reopen(): Promise<TestEngine>
  /** Closes it and removes the folder. */
  close(): Promise<void>
}

/** Pulls from another engine on this machine. */
function blocksOf(other: TestEngine | undefined): BlockSource {
  return {
    async *pull(from) {
      const { ledger } = other?.storage ?? {}
      if (ledger === undefined) return
      for (let number = from; number < ledger.height; number += 1n) {
        const bytes = await ledger.block(number)
        if (bytes !== undefined) yield receive(common.BlockSchema, bytes)
      }
    },
  }
}

async function startCollector(
  channel: TestChannel,
  { ledger }: Storage,
): Promise<BlockSignatureCollector> {
  const { validators } = await testMembers()
  const verifier = createValidatorVerifier(channel.config)
  const collector = new BlockSignatureCollector(
    {
      network: { broadcast: () => undefined, send: () => undefined },
      signer: validators[0]!,
      verifier: { verify: (id, bytes, signature) => verifier.verify(id - 1, bytes, signature) },
      archive: createSignatureArchive(ledger),
      clock: systemClock,
    },
    { channelId, self: 1, consenters: [1], nextBlock: ledger.height },
  )
  await collector.start()
  return collector
}

/** What a test engine may begin with. */
export interface TestEngineOptions {
  /** Where its state transfers pull from. */
  readonly other?: TestEngine
  /** Number of the rules that its genesis block names; default: the newest. */
  readonly rules?: number
  readonly logger?: Logger
  readonly onUnknownRules?: (reason: Error) => void
}

async function openIn(dir: string, options: TestEngineOptions): Promise<TestEngine> {
  const channel = await testChannel(1, options.rules)
  const storage = await openStorage({
    dir,
    channelId,
    consenter: { id: 1, mspId: 'Validator0MSP' },
    genesis: channel.genesis,
    clock: systemClock,
    logger: new RecordingLogger(),
    metrics: createMetrics(),
  })
  const collector = await startCollector(channel, storage)
  const reader = new TransactionReader()
  const bounds = { maxEnvelopeBytes: 100_000, timeWindowMs }
  const engine = new Engine({
    ledger: storage.ledger,
    reader,
    offers: new OfferVerifier(channel.config),
    checker: new EnvelopeChecker({ ...channel.config, reader, clock: systemClock }, bounds),
    collector,
    source: blocksOf(options.other),
    ...(options.logger && { logger: options.logger }),
    ...(options.onUnknownRules && { onUnknownRules: options.onUnknownRules }),
  })
  const shut = async (): Promise<void> => {
    await collector.stop()
    await storage.close()
  }
  try {
    await engine.recover()
  } catch (error) {
    await shut()
    throw error
  }
  return {
    engine,
    storage,
    reader,
    channel,
    reopen: async () => {
      await shut()
      return openIn(dir, options)
    },
    close: async () => {
      await shut()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Opens an engine over a new folder. Its channel has one validator, so that it signs alone. */
export async function openEngine(options: TestEngineOptions = {}): Promise<TestEngine> {
  return openIn(await mkdtemp(join(tmpdir(), 'heddle-engine-')), options)
}

/** The block of a number, which is there. */
export async function blockOf({ storage }: TestEngine, number: bigint): Promise<common.Block> {
  return decode(common.BlockSchema, (await storage.ledger.block(number)) ?? new Uint8Array())
}

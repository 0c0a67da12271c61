import { Monitor, blockProofOf, orClock, verifiedBlocks } from '@heddle/client'
import { systemClock } from '@heddle/events'
import { StatusError } from '@heddle/deliver'
import { common } from '@heddle/proto'
import { Command } from 'commander'
import { PeerError } from '../errors.ts'
import { exitCodes } from '../exit-status.ts'
import { connectTo } from '../network/descriptor.ts'
import { DenialWatch } from '../network/denial-watch.ts'
import { LastTrouble } from '../network/last-trouble.ts'
import { Waiting } from '../network/waiting.ts'
import { blockNumber, dirOption } from './options.ts'
import { grouped, standardOutput, taken, toJson } from './output.ts'
import type { VerifiedBlock } from '@heddle/client'
import type { Endpoint } from '@heddle/deliver'

interface BlocksOptions {
  readonly dir: string
  readonly from?: bigint
  readonly to?: bigint
  readonly follow?: true
  readonly json?: true
  readonly endpoint?: string[]
}

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? new Uint8Array()).toString('hex')
}

function toText({ number, hash, transactions, block }: VerifiedBlock): string {
  const rejected = transactions.filter(({ accepted }) => !accepted).length
  return [
    `block ${number}`,
    `hash ${hash.slice(0, 16)}`,
    `previous ${hex(block.header?.previousHash).slice(0, 16) || '–'}`,
    `${grouped(transactions.length)} transactions`,
    ...(rejected === 0 ? [] : [`${grouped(rejected)} rejected`]),
  ].join('  ')
}

function toObject({ number, hash, transactions, block }: VerifiedBlock): unknown {
  const { header } = block
  return {
    number,
    hash,
    previousHash: hex(header?.previousHash),
    dataHash: hex(header?.dataHash),
    ...(number === 0n ? {} : { sequence: blockProofOf(block).sequence }),
    transactions: transactions.map(({ txId, accepted, reason }) => ({
      txId,
      accepted,
      ...(reason === undefined ? {} : { reason }),
    })),
  }
}

/** Endpoints to ask: those of the network, or of them the ones that were named. */
function chooseEndpoints(
  all: readonly Endpoint[],
  wanted: readonly string[] | undefined,
): readonly Endpoint[] {
  if (wanted === undefined) return all
  const unknown = wanted.find((address) => !all.some((each) => each.address === address))
  if (unknown === undefined) return all.filter(({ address }) => wanted.includes(address))
  throw new PeerError('PEER_INVALID_OPTION', `${unknown} is not a validator of this network`, {
    cure: `there are ${all.map(({ address }) => address).join(', ')}`,
  })
}

/** What a validator says of a block that is not there yet, as one that a person asked for. */
function orMissing(error: unknown, next: bigint): unknown {
  if (!(error instanceof StatusError) || error.status !== common.Status.NOT_FOUND) return error
  return new PeerError('PEER_FILE_MISSING', `${error.endpoint} has no block ${next} yet`, {
    cure: '`heddle network status` shows the heights; --follow waits for new blocks',
    cause: error,
  })
}

function rangeOf({ from = 0n, to }: BlocksOptions): {
  readonly from: bigint
  readonly to?: bigint
} {
  if (to === undefined) return { from }
  if (to >= from) return { from, to }
  throw new PeerError('PEER_INVALID_OPTION', `--to ${to} is before --from ${from}`, {
    cure: 'give the first block as --from and the last one as --to',
  })
}

async function blocks(options: BlocksOptions): Promise<void> {
  const { from, to } = rangeOf(options)
  const network = await connectTo(options.dir)
  const { client } = network
  const abort = new AbortController()
  const interrupt = (): void => abort.abort()
  process.once('SIGINT', interrupt)
  const trouble = new LastTrouble()
  let next = from
  const note = (text: string): void => standardOutput.note(text)
  const monitor = new Monitor(client, systemClock)
  const denials = new DenialWatch({ monitor, client, clock: systemClock, note })
  if (options.follow === true) {
    monitor.start()
    denials.start()
  }
  const waiting = new Waiting({
    clock: systemClock,
    note,
    progress: () => next,
    what: () => `block ${next}, which no validator has given yet${String(trouble)}`,
  })
  try {
    const follow = options.follow === true
    const stream = verifiedBlocks(
      { client, clock: systemClock, logger: trouble },
      { from, to, follow, signal: abort.signal },
      {
        endpoints: chooseEndpoints(client.endpoints, options.endpoint),
        onlyGiven: true,
        maxFailures: follow ? Infinity : 2 * client.endpoints.length,
      },
    )
    for await (const verified of stream) {
      standardOutput.line(options.json === true ? toJson(toObject(verified)) : toText(verified))
      denials.hold(verified.block)
      next = verified.number + 1n
      // No block is fetched before the one before was read; none at all when nobody reads.
      if (!(await taken(process.stdout))) return
    }
  } catch (error) {
    if (!abort.signal.aborted) throw orMissing(await orClock(client, error), next)
  } finally {
    if (denials.isDenied) process.exitCode = exitCodes.notProven
    waiting.stop()
    denials.stop()
    monitor.stop()
    process.off('SIGINT', interrupt)
    await network.close()
  }
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** `heddle blocks`. */
export function blocksCommand(): Command {
  return new Command('blocks')
    .description(
      'print blocks, after checking number, previous hash, data hash and signatures of each',
    )
    .addOption(dirOption())
    .option('--from <n>', 'first block (default: 0)', blockNumber)
    .option('--to <n>', 'last block (default: the newest)', blockNumber)
    .option('--follow', 'go on, waiting for new blocks')
    .option('--json', 'print one JSON object per block, with its transactions')
    .option('--endpoint <host:port>', 'ask this validator only; may be repeated', collect)
    .addHelpText(
      'after',
      `
Examples:
  heddle blocks --from 1 --to 3
  heddle blocks --follow --json
  heddle blocks --endpoint 127.0.0.1:7050`,
    )
    .action(blocks)
}

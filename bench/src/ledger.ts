import { randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLedger } from '@heddle/ledger'
import { blockDataHash, blockHeaderHash, common, create, encode } from '@heddle/proto'
import { paired, seconds } from './measure.ts'
import type { Figure } from './report.ts'

const blocks = 500
const transactions = 100
const transactionBytes = 3072

interface Made {
  readonly block: Buffer
  readonly txIds: readonly string[]
}

/** A chain of valid blocks with incompressible transactions. */
function makeChain(): Made[] {
  let previousHash: Uint8Array = new Uint8Array()
  return Array.from({ length: blocks }, (_, number) => {
    const data = Array.from({ length: transactions }, () => randomBytes(transactionBytes))
    const header = create(common.BlockHeaderSchema, {
      number: BigInt(number),
      previousHash,
      dataHash: blockDataHash(data),
    })
    previousHash = blockHeaderHash(header)
    const metadata = { metadata: [new Uint8Array()] }
    const block = encode(
      common.BlockSchema,
      create(common.BlockSchema, { header, data: { data }, metadata }),
    )
    const txIds = data.map((bytes) => bytes.subarray(0, 32).toString('hex'))
    return { block, txIds }
  })
}

async function inFolder<T>(action: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  try {
    return await action(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The limit: one write and one fdatasync for each block. */
function bareFile(chain: readonly Made[]): Promise<number> {
  return inFolder((folder) => {
    const file = openSync(join(folder, 'blocks'), 'a')
    const start = performance.now()
    for (const { block } of chain) {
      writeSync(file, block)
      fdatasyncSync(file)
    }
    const spent = (performance.now() - start) / 1000
    closeSync(file)
    return chain.length / spent
  })
}

function throughLedger(chain: readonly Made[], window: number): Promise<number> {
  return inFolder(async (dir) => {
    const ledger = await openLedger({ dir })
    const spent = await seconds(async () => {
      const inFlight: Promise<void>[] = []
      for (const record of chain) {
        inFlight.push(ledger.append(record))
        if (inFlight.length >= window) await inFlight.shift()
      }
      await Promise.all(inFlight)
    })
    await ledger.close()
    return chain.length / spent
  })
}

export async function run(): Promise<Figure[]> {
  const chain = makeChain()
  const one = await paired(
    9,
    () => throughLedger(chain, 1),
    () => bareFile(chain),
  )
  const many = await paired(
    9,
    () => throughLedger(chain, 8),
    () => bareFile(chain),
  )
  return [
    {
      name: 'ledger append, one after another',
      value: one.ours,
      unit: 'blocks/s',
      limit: one.limit,
      bar: { of: 'ratio', atLeast: 0.5 },
    },
    {
      name: 'ledger append, 8 in flight',
      value: many.ours,
      unit: 'blocks/s',
      limit: many.limit,
      bar: { of: 'ratio', atLeast: 0.5 },
    },
  ]
}

import { openLedger } from '../../src/index.ts'
import { makeTestBlock } from '../../src/testing.ts'

/*
 * Appends and applies until that is refused, and prints what it was told as JSON. Then a smaller
 * block, and the end. Run with a limit on the size of files: `ulimit -f`.
 */
const [dir = '', blockBytes = '0', valueBytes = '0'] = process.argv.slice(2)
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error)
let codes: string[] = []
process.on('unhandledRejection', (error) => codes.push(`unhandled ${codeOf(error)}`))
const ledger = await openLedger({ dir })
let previous: Parameters<typeof makeTestBlock>[0]
let acknowledged = 0
for (let number = 1n; number < 3_000n; number += 1n) {
  const { block, txIds, header } = makeTestBlock(previous, { bytes: Number(blockBytes) })
  try {
    await ledger.append({ block, txIds })
    previous = header
    acknowledged += 1
    const value = Buffer.alloc(Number(valueBytes))
    await ledger.state.apply(number, number, [{ namespace: 'n', key: number.toString(), value }])
  } catch (error) {
    codes.push(codeOf(error))
    break
  }
}
try {
  const { block, txIds } = makeTestBlock(previous, { bytes: 1, transactions: 1 })
  await ledger.append({ block, txIds })
  acknowledged += 1
} catch (error) {
  codes = [...codes, `small: ${codeOf(error)}`]
}
await ledger.close().catch((error: unknown) => codes.push(`close: ${codeOf(error)}`))
process.stdout.write(JSON.stringify({ acknowledged, codes }))

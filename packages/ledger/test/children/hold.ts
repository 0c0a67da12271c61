import { openLedger } from '../../src/index.ts'

/** Holds a ledger open until its standard input ends or it is killed. */
const ledger = await openLedger({ dir: process.argv[2]! })
process.stdout.write('open\n')
process.stdin.resume()
process.stdin.on('end', () => void ledger.close())

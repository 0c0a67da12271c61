import { outliveReaders, taken } from './cli/output.ts'
import { runProgram } from './cli/program.ts'

outliveReaders()
const status = await runProgram(process.argv.slice(2))
await Promise.all([taken(process.stdout), taken(process.stderr)])
// Handles of libraries must not hold up the end: everything of ours has been stopped by now.
process.exit(status)

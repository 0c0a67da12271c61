import { runProgram } from './cli/program.ts'

// Handles of libraries must not hold up the end: everything of ours has been stopped by now.
void runProgram(process.argv.slice(2)).then((status) => process.exit(status))

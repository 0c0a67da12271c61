import { exitCodeOf } from './exit-status.ts'
import { describeFailure } from './cli/failure.ts'
import { filesToLoad, requireOpenFiles } from './open-files.ts'
import { outliveReaders, taken } from './cli/output.ts'

/** Says why, and gives the exit status for it. */
function fail(error: unknown): number {
  process.stderr.write(describeFailure(error))
  return exitCodeOf(error)
}

async function run(): Promise<number> {
  try {
    requireOpenFiles(filesToLoad, 'heddle')
    // Only now: with too few files, loading fails in the middle, for a reason that says nothing.
    const { runProgram } = await import('./cli/program.ts')
    return await runProgram(process.argv.slice(2))
  } catch (error) {
    return fail(error)
  }
}

const outputFailure = outliveReaders()
// Status 1, which Node would give, means that the proof did not hold.
process.on('uncaughtException', (error) => process.exit(fail(error)))
let status = await run()
await Promise.all([taken(process.stdout), taken(process.stderr)])
const lost = outputFailure()
if (lost !== undefined) {
  // Also in place of another status: whoever reads that goes by answers that are not there.
  status = fail(lost)
  await taken(process.stderr)
}
// Handles of libraries must not hold up the end: everything of ours has been stopped by now.
process.exit(status)

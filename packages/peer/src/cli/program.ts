import { Command, CommanderError } from 'commander'
import { readVersion } from '../package-root.ts'
import { blocksCommand } from './blocks.ts'
import { completionCommand } from './completion.ts'
import { cryptoCommand } from './crypto-generate.ts'
import { doctorCommand } from './doctor.ts'
import { exitCodes, exitMeanings } from '../exit-status.ts'
import { networkStartCommand } from './network-start.ts'
import { networkStatusCommand } from './network-status.ts'
import { networkStopCommand } from './network-stop.ts'
import { networkUpCommand } from './network-up.ts'
import { peerCommand } from './peer-start.ts'
import { queryCommand } from './query.ts'
import { submitCommand } from './submit.ts'

const names = Object.keys(exitCodes) as (keyof typeof exitCodes)[]
const exitHelp = [
  '\nExit status:',
  ...names.map((name) => `  ${exitCodes[name].toString().padEnd(4)}${exitMeanings[name]}`),
].join('\n')

function versionCommand(): Command {
  return new Command('version')
    .description('print the version')
    .addHelpText('after', '\nExample:\n  heddle version')
    .action(() => {
      const { Version, CommitSHA } = readVersion()
      process.stdout.write(`heddle ${Version} (commit ${CommitSHA}, node ${process.version})\n`)
    })
}

/** The command line `heddle`. */
export function createProgram(): Command {
  const program = new Command('heddle')
    .description('A BFT network of validators that speaks the wire formats of Hyperledger Fabric.')
    .version(readVersion().Version, '-V, --version', 'print the version number')
    .addHelpText('after', exitHelp)
    .addHelpText(
      'after',
      '\nExample:\n  heddle network up --input my.ndjson --exit    # run a file through 4 validators',
    )
  const network = new Command('network').description('a whole network on this machine')
  network.addCommand(networkUpCommand())
  network.addCommand(networkStatusCommand())
  network.addCommand(networkStopCommand())
  network.addCommand(networkStartCommand())
  for (const command of [
    network,
    peerCommand(),
    submitCommand(),
    queryCommand(),
    blocksCommand(),
    completionCommand(),
    doctorCommand(),
    cryptoCommand(),
    versionCommand(),
  ]) {
    program.addCommand(command)
  }
  return program
}

function withoutExit(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) withoutExit(child)
}

/**
 * Runs `heddle` with arguments. Rejects with why it could not.
 * @returns the exit status; what is to be said was said
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  const program = createProgram()
  withoutExit(program)
  try {
    await program.parseAsync([...args], { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok
  } catch (error) {
    // Commander has printed what is wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
    throw error
  }
}

import { Argument, Command } from 'commander'
import { placesOf } from './completion/places.ts'
import { scripts } from './completion/scripts.ts'

type Shell = keyof typeof scripts

/** `heddle completion`. */
export function completionCommand(): Command {
  const shells = Object.keys(scripts)
  return new Command('completion')
    .description('print a script that makes a shell complete commands and options')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addHelpText('after', '\nExample:\n  eval "$(heddle completion bash)"')
    .action((shell: Shell, _options: unknown, command: Command) => {
      process.stdout.write(scripts[shell](placesOf(command.parent ?? command)))
    })
}

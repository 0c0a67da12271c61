import { Command } from 'commander'
import { requestStart } from '../network/control.ts'
import { dirOption } from './options.ts'
import { standardOutput } from './output.ts'

/** `heddle network start`. */
export function networkStartCommand(): Command {
  return new Command('start')
    .description(
      'restart a validator that has given up, in a network that runs in another terminal',
    )
    .argument('<validator>', 'its name, such as validator2')
    .addOption(dirOption())
    .addHelpText('after', '\nExample:\n  heddle network start validator2')
    .action(async (name: string, { dir }: { dir: string }) => {
      await requestStart(dir, name)
      standardOutput.line(`${name} was started`)
    })
}

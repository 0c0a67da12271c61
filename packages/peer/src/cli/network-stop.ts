import { Command } from 'commander'
import { requestStop } from '../network/control.ts'
import { dirOption } from './options.ts'
import { standardOutput } from './output.ts'

/** `heddle network stop`. */
export function networkStopCommand(): Command {
  return new Command('stop')
    .description('stop the network that another terminal started, and wait until it has stopped')
    .addOption(dirOption())
    .addHelpText('after', '\nExample:\n  heddle network stop')
    .action(async ({ dir }: { dir: string }) => {
      await requestStop(dir)
      standardOutput.line(`the network in ${dir} has stopped`)
    })
}

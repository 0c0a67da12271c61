import { join, relative } from 'node:path'
import { Command } from 'commander'
import { generateMaterial } from '../network/crypto.ts'
import { dirOption, validatorCount } from './options.ts'
import { standardOutput } from './output.ts'

interface GenerateOptions {
  readonly dir: string
  readonly validators: number
}

async function generate({ dir, validators }: GenerateOptions): Promise<void> {
  const folder = join(dir, 'crypto')
  const material = await generateMaterial(folder, validators)
  for (const { organization, node } of [...material.validators, material.client]) {
    standardOutput.line(`${organization.mspId}  ${node.role}  ${relative('.', node.mspDir)}`)
  }
}

/** `heddle crypto`. */
export function cryptoCommand(): Command {
  const command = new Command('crypto').description('certificates for development')
  command
    .command('generate')
    .description(
      'make MSP folders and TLS certificates for validators and a client; keeps existing ones',
    )
    .addOption(dirOption())
    .option('--validators <n>', 'number of validators, 3f+1 or more', validatorCount, 4)
    .addHelpText('after', '\nExample:\n  heddle crypto generate --dir my-network --validators 7')
    .action(generate)
  return command
}

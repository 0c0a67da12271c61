import { systemClock } from '@heddle/events'
import { weakQuorumOf } from '@heddle/pbft'
import { Command } from 'commander'
import { contractNames } from '../rules/rules-2/contracts.ts'
import { PeerError } from '../errors.ts'
import { connectTo } from '../network/descriptor.ts'
import { saying } from '../network/waiting.ts'
import { dirOption } from './options.ts'
import { standardOutput, toJson } from './output.ts'

interface QueryOptions {
  readonly dir: string
  readonly json?: true
}

async function query(contract: string, key: string, { dir, json }: QueryOptions): Promise<void> {
  if (!contractNames.includes(contract)) {
    throw new PeerError('PEER_INVALID_OPTION', `no contract ${contract}`, {
      cure: `there are ${contractNames.join(' and ')}`,
    })
  }
  const network = await connectTo(dir)
  const { client } = network
  try {
    const waiting = {
      clock: systemClock,
      note: (text: string) => standardOutput.note(text),
      what: () => `${weakQuorumOf(client.validators.length)} validators to give the same answer`,
    }
    const { value, validators } = await saying(waiting, () => network.query(contract, key))
    const text = value === undefined ? undefined : Buffer.from(value).toString()
    if (json === true) {
      standardOutput.line(toJson({ contract, key, value: text ?? null, validators }))
    } else if (text !== undefined) standardOutput.line(text)
    if (text === undefined) {
      throw new PeerError('PEER_FILE_MISSING', `${contract} has no ${key}`, {
        cure: 'check the key; it is case-sensitive',
      })
    }
  } finally {
    await network.close()
  }
}

/** `heddle query`. */
export function queryCommand(): Command {
  return new Command('query')
    .description('read a key; answers only when f+1 validators give the same answer')
    .argument('<contract>', contractNames.join(' or '))
    .argument('<key>', "an account's name, a record's id or digest")
    .addOption(dirOption())
    .option('--json', 'print JSON, with the validators that gave the answer')
    .addHelpText(
      'after',
      '\nExamples:\n  heddle query accounts account-001\n  heddle query records order-17 --json',
    )
    .action(query)
}

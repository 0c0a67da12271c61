import { systemClock } from '@heddle/events'
import { Command } from 'commander'
import { examineNetwork, examinePeer } from '../doctor/doctor.ts'
import { statusOf } from '../doctor/finding.ts'
import { dirOption } from './options.ts'
import { standardOutput, toJson } from './output.ts'
import type { Finding } from '../doctor/finding.ts'

interface DoctorOptions {
  readonly dir: string
  readonly config?: string
  readonly json?: true
}

/** One line, whatever stands in a message. */
export function findingLine({ verdict, check, about, what, cure }: Finding): string {
  const whose = about === undefined ? '' : `${about}: `
  const todo = cure === undefined ? '' : `; try: ${cure}`
  const line = `${verdict.padEnd(4)}  ${check.padEnd(11)}  ${whose}${what}${todo}`
  return line.replace(/\s*\p{Cc}\s*/gu, ' ')
}

async function doctor({ dir, config, json }: DoctorOptions): Promise<void> {
  const deps = { environment: process.env, clock: systemClock }
  const found: Finding[] = []
  for await (const finding of config === undefined
    ? examineNetwork(dir, deps)
    : examinePeer(config, deps)) {
    found.push(finding)
    standardOutput.line(json === true ? toJson(finding) : findingLine(finding))
  }
  process.exitCode = statusOf(found)
}

/** `heddle doctor`. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check all that a validator or a network needs, and say what is wrong; changes nothing',
    )
    .addOption(dirOption().conflicts('config'))
    .option('--config <file>', 'check one validator, by its configuration, instead of a network')
    .option('--json', 'print one JSON object per check')
    .addHelpText(
      'after',
      `
Prints one line per check: ok, warn or fail. The exit status is that of the first check that failed,
since causes come before their effects; 0 when none did.

Examples:
  heddle doctor
  heddle doctor --config peer.yaml --json`,
    )
    .action(doctor)
}

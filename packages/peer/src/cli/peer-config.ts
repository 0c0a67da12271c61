import { Command } from 'commander'
import { linesOf } from '../config/lines.ts'
import { explainConfig, readConfigFile } from '../config/load.ts'
import { settings } from '../config/settings.ts'
import { standardOutput, toJson } from './output.ts'
import type { Setting } from '../config/setting.ts'
import type { SettingKey } from '../config/settings.ts'

interface ConfigOptions {
  readonly config: string
  readonly json?: true
}

/** A value that is in force, and where it comes from. */
interface Shown {
  readonly key: SettingKey
  /** As the file would have it. */
  readonly value: unknown
  readonly from: 'default' | 'file' | 'environment'
  /** The line in the file, from 1; undefined where the file has an alias. */
  readonly line?: number | undefined
  readonly variable?: string
}

/** Each key of the configuration, as `peer start` would take it. */
export function shownConfig(source: string, file: string, environment: NodeJS.ProcessEnv): Shown[] {
  const { config, origins } = explainConfig(source, file, environment)
  const lines = linesOf(source)
  return [...origins].map(([key, origin]) => {
    const setting: Setting<unknown> = settings[key]
    const value = setting.show === undefined ? config[key] : setting.show(config[key])
    if (typeof origin === 'object') return { key, value, from: 'environment', ...origin }
    return { key, value, from: origin, ...(origin === 'file' && { line: lines.get(key) }) }
  })
}

/** A line of YAML: all of them together are a configuration again. */
export function configLine({ key, value, from, line, variable }: Shown, file: string): string {
  const place = line === undefined ? file : `${file}:${line}`
  const origin = from === 'file' ? place : (variable ?? 'default')
  return `${key}: ${JSON.stringify(value)} # ${origin}`
}

async function peerConfig({ config: file, json }: ConfigOptions): Promise<void> {
  const shown = shownConfig(await readConfigFile(file), file, process.env)
  for (const each of shown)
    standardOutput.line(json === true ? toJson(each) : configLine(each, file))
}

/** `heddle peer config`. */
export function peerConfigCommand(): Command {
  return new Command('config')
    .description(
      'print the effective configuration of a validator, and where each value comes from',
    )
    .requiredOption('--config <file>', 'its configuration; CORE_... variables override it')
    .option('--json', 'print one JSON object per key')
    .addHelpText(
      'after',
      `
Prints YAML that is a valid configuration itself; after each value: the line of the file, the variable,
or default. Refuses what \`peer start\` refuses.

Example:
  CORE_LEDGER_RULES=1 heddle peer config --config peer.yaml`,
    )
    .action(peerConfig)
}

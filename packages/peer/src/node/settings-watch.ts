import { create, heddle } from '@heddle/proto'
import { hold } from './conditions.ts'
import type { Config, SettingKey } from '../config/settings.ts'
import type { ConditionSink } from './conditions.ts'

/** The settings that all validators must have alike, and what a message calls them. */
const shared = {
  'pbft.general.batchsize': 'batchsize',
  'pbft.general.maxBatchBytes': 'maxBatchBytes',
  'general.maxEnvelopeBytes': 'maxEnvelopeBytes',
  'pbft.general.k': 'k',
  'pbft.general.logmultiplier': 'logmultiplier',
} as const satisfies Partial<Record<SettingKey, keyof heddle.SharedSettings>>

type SharedKey = keyof typeof shared
const keys = Object.keys(shared) as SharedKey[]

/** What a {@link SettingsWatch} works with. */
export interface SettingsWatchDeps {
  readonly config: Pick<Config, SharedKey>
  readonly conditions: ConditionSink
  /** It is over when a validator did not say it again for so long, in milliseconds. */
  readonly lastsMs: number
}

/**
 * Compares the settings that all validators must have alike. One with others refuses what the rest
 * agrees on, or does not count where they need it, and looks well until one of them fails. Others may
 * lie about it; so nothing comes of it but a warning.
 */
export class SettingsWatch {
  readonly #deps: SettingsWatchDeps
  /** What this validator tells the others. */
  readonly told: Pick<heddle.WallTime, 'settings'>

  constructor(deps: SettingsWatchDeps) {
    this.#deps = deps
    const own = Object.fromEntries(keys.map((key) => [shared[key], deps.config[key]]))
    this.told = { settings: create(heddle.SharedSettingsSchema, own) }
  }

  /** Takes what replica `from` says of its settings; versions that say nothing are not judged. */
  receive(from: number, { settings }: Pick<heddle.WallTime, 'settings'>): void {
    const { config, conditions, lastsMs } = this.#deps
    const differing = keys.filter(
      (key) => settings !== undefined && settings[shared[key]] !== config[key],
    )
    const values = differing.map((key) => `${key} ${settings?.[shared[key]]}, here ${config[key]}`)
    const reason = `validator${from} has ${values.join('; ')}`
    const details = values.length === 0 ? undefined : { reason, lastsMs }
    hold(conditions, 'settings-differ', details, `validator${from}`)
  }
}

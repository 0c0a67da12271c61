import type { SettingKey } from './settings.ts'

/** Of every variable that overrides a key. */
export const variablePrefix = 'CORE_'

/** The variable that overrides a key: `peer.tls.cert.file` → `CORE_PEER_TLS_CERT_FILE`. */
export function variableOf(key: SettingKey): string {
  return `${variablePrefix}${key.replaceAll('.', '_').toUpperCase()}`
}

/** The variable that Fabric reads for the levels of its loggers; it wins over `logging.spec`. */
export const loggingSpecVariable = 'FABRIC_LOGGING_SPEC'

/** A variable that is set, and what it holds. */
export interface Override {
  readonly variable: string
  readonly value: string
}

/** What the environment says about a key, or undefined. */
export function overrideOf(key: SettingKey, environment: NodeJS.ProcessEnv): Override | undefined {
  const own = variableOf(key)
  const variables = key === 'logging.spec' ? [loggingSpecVariable, own] : [own]
  for (const variable of variables) {
    const value = environment[variable]
    if (value !== undefined) return { variable, value }
  }
  return undefined
}

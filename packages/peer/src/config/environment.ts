import type { SettingKey } from './settings.ts'

/** Of every variable that overrides a key. */
export const variablePrefix = 'CORE_'

/** The variable that overrides a key: `peer.tls.cert.file` → `CORE_PEER_TLS_CERT_FILE`. */
export function variableOf(key: SettingKey): string {
  return `${variablePrefix}${key.replaceAll('.', '_').toUpperCase()}`
}

/** The variable that Fabric reads for the levels of its loggers; it wins over `logging.spec`. */
export const loggingSpecVariable = 'FABRIC_LOGGING_SPEC'

/** What the environment says about a key, or undefined. */
export function fromEnvironment(
  key: SettingKey,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  if (key === 'logging.spec') {
    return environment[loggingSpecVariable] ?? environment[variableOf(key)]
  }
  return environment[variableOf(key)]
}

import { dirname, resolve } from 'node:path'
import { nearestName } from '@heddle/interface'
import { parse } from 'yaml'
import { PeerError, messageOf } from '../errors.ts'
import { readNamed } from '../read-named.ts'
import { overrideOf, variableOf, variablePrefix } from './environment.ts'
import { contradictionIn } from './relations.ts'
import { SettingProblem } from './setting.ts'
import { settings } from './settings.ts'
import type { Setting } from './setting.ts'
import type { Config, SettingKey } from './settings.ts'

const keys = Object.keys(settings) as SettingKey[]
/** Keys of paths: relative ones are relative to the folder of the file. */
const paths: readonly SettingKey[] = [
  'peer.mspConfigPath',
  'peer.fileSystemPath',
  'peer.tls.cert.file',
  'peer.tls.key.file',
  'general.genesisFile',
  'operations.tls.cert.file',
  'operations.tls.key.file',
  'operations.tls.clientRootCAs.files',
]

function problem(where: string, what: string, cure: string, cause?: unknown): PeerError {
  return new PeerError('PEER_INVALID_CONFIG', `${where}: ${what}`, { cure, cause })
}

/** Brings nested maps into one map of dotted keys; stops at the keys that exist. */
function flatten(node: unknown, prefix: string, into: Map<string, unknown>): void {
  if (keys.includes(prefix as SettingKey) || typeof node !== 'object' || node === null) {
    into.set(prefix, node)
    return
  }
  for (const [name, child] of Object.entries(node)) {
    flatten(child, prefix === '' ? name : `${prefix}.${name}`, into)
  }
}

/** The name that a mistyped one most likely meant: nearly the same, or the same last part, between `separator`s. */
function meant(name: string, known: readonly string[], separator: string): string | undefined {
  const lastOf = (each: string): string | undefined => each.split(separator).at(-1)?.toLowerCase()
  return nearestName(name, known) ?? known.find((each) => lastOf(each) === lastOf(name))
}

function refuseUnknownKeys(given: Iterable<string>, file: string): void {
  for (const key of given) {
    if (keys.includes(key as SettingKey)) continue
    const near = meant(key, keys, '.')
    const cure = near === undefined ? 'remove it' : `did you mean ${near}?`
    throw problem(file, `unknown key ${key}`, cure)
  }
}

/** A mistyped variable would override nothing, without a word, as a mistyped key in the file would. */
function refuseUnknownVariables(environment: NodeJS.ProcessEnv): void {
  const known = keys.map(variableOf)
  for (const name of Object.keys(environment)) {
    if (!name.startsWith(variablePrefix) || known.includes(name)) continue
    const near = meant(name, known, '_')
    const cure = near === undefined ? 'unset it' : `did you mean ${near}? Otherwise unset it`
    throw problem(name, 'no key has this variable', cure)
  }
}

function valueOf(file: string, key: SettingKey, raw: unknown, where: string): unknown {
  const setting: Setting<unknown> = settings[key]
  if (raw === undefined || raw === null) {
    if (setting.fallback !== undefined) return setting.fallback
    throw problem(file, `${key} is missing`, `add it, or set ${variableOf(key)}: ${setting.help}`)
  }
  try {
    return setting.parse(raw)
  } catch (error) {
    if (!(error instanceof SettingProblem)) throw error
    throw problem(where, error.what, error.cure, error)
  }
}

/** Paths, one or a list, relative to a folder; none stays none. */
function fromFolder(folder: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((each: string) => resolve(folder, each))
  return value === '' ? '' : resolve(folder, value as string)
}

/** What a file gives: each key that it names, with the value as YAML has it. */
function givenIn(source: string, file: string): Map<string, unknown> {
  let document: unknown
  try {
    document = parse(source)
  } catch (error) {
    throw problem(file, messageOf(error), 'correct the YAML', error)
  }
  const given = new Map<string, unknown>()
  if (document !== null && document !== undefined) flatten(document, '', given)
  refuseUnknownKeys(given.keys(), file)
  return given
}

/**
 * Makes a configuration of the text of a file and the environment.
 *
 * @param file - its path: for messages, and to resolve relative paths in it
 * @throws {PeerError} PEER_INVALID_CONFIG naming file (or variable), key and cure
 */
export function parseConfig(source: string, file: string, environment: NodeJS.ProcessEnv): Config {
  return explainConfig(source, file, environment).config
}

/** Where a value comes from: the default, the file, or this variable. */
export type Origin = 'default' | 'file' | { readonly variable: string }

/** A configuration, and where each value comes from. */
export interface ExplainedConfig {
  readonly config: Config
  readonly origins: ReadonlyMap<SettingKey, Origin>
}

/** The same with where each value comes from. @throws {PeerError} as {@link parseConfig} */
export function explainConfig(
  source: string,
  file: string,
  environment: NodeJS.ProcessEnv,
): ExplainedConfig {
  const given = givenIn(source, file)
  refuseUnknownVariables(environment)
  const config: Record<string, unknown> = {}
  const origins = new Map<SettingKey, Origin>()
  for (const key of keys) {
    const override = overrideOf(key, environment)
    const raw = override?.value ?? given.get(key)
    const value = valueOf(file, key, raw, whereIs(key, file, environment))
    config[key] = paths.includes(key) ? fromFolder(dirname(file), value) : value
    const inFile = raw === undefined || raw === null ? 'default' : 'file'
    origins.set(key, override === undefined ? inFile : { variable: override.variable })
  }
  refuseContradiction(config as Config, (key) => whereIs(key, file, environment))
  return { config: Object.freeze(config) as Config, origins }
}

/** Where a person finds a value: the variable, or the file and the key. */
function whereIs(key: SettingKey, file: string, environment: NodeJS.ProcessEnv): string {
  return overrideOf(key, environment)?.variable ?? `${file}: ${key}`
}

function refuseContradiction(config: Config, where: (key: SettingKey) => string): void {
  const found = contradictionIn(config)
  if (found !== undefined) throw problem(where(found.key), found.what, found.cure)
}

/** Reads the file with the configuration of a validator. @throws {PeerError} as {@link loadConfig} */
export async function readConfigFile(file: string): Promise<string> {
  const source = await readNamed(file, {
    what: 'configuration file',
    cure: '`heddle network up` writes one per validator',
  })
  return source.toString()
}

/**
 * Reads the configuration of a validator.
 *
 * @throws {PeerError} PEER_FILE_MISSING, PEER_NO_ACCESS, PEER_INVALID_CONFIG
 */
export async function loadConfig(file: string, environment: NodeJS.ProcessEnv): Promise<Config> {
  return parseConfig(await readConfigFile(file), file, environment)
}

import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { MspError } from './errors.ts'
import type { Role } from './identity.ts'

/** An organisational unit in config.yaml; the path of its CA is relative to the MSP folder. */
export interface ConfiguredOu {
  readonly organizationalUnit: string
  readonly certificate: string | undefined
}

/** What config.yaml says. */
export interface FolderConfig {
  readonly memberUnits: readonly ConfiguredOu[]
  /** Undefined when NodeOUs are absent or not enabled. */
  readonly nodeOus: Readonly<Partial<Record<Role, ConfiguredOu>>> | undefined
}

const empty: FolderConfig = { memberUnits: [], nodeOus: undefined }

const roleKeys: Readonly<Record<Role, string>> = {
  client: 'ClientOUIdentifier',
  peer: 'PeerOUIdentifier',
  admin: 'AdminOUIdentifier',
  orderer: 'OrdererOUIdentifier',
}

type Fields = Readonly<Record<string, unknown>>

function invalid(file: string, detail: string, cause?: unknown): MspError {
  const options = cause === undefined ? undefined : { cause }
  return new MspError('MSP_INVALID_FOLDER', `${file}: ${detail}`, options)
}

function fieldsOf(value: unknown): Fields | undefined {
  const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isMapping ? (value as Fields) : undefined
}

/** One unit; undefined when it has no name, which Fabric takes for "not configured". */
function unitOf(value: unknown): ConfiguredOu | undefined {
  const fields = fieldsOf(value)
  const name = fields?.['OrganizationalUnitIdentifier']
  const certificate = fields?.['Certificate']
  if (typeof name !== 'string' || name === '') return undefined
  const path = typeof certificate === 'string' && certificate !== '' ? certificate : undefined
  return { organizationalUnit: name, certificate: path }
}

function nodeOusOf(value: unknown): FolderConfig['nodeOus'] {
  const fields = fieldsOf(value)
  if (fields?.['Enable'] !== true) return undefined
  const found: Partial<Record<Role, ConfiguredOu>> = {}
  for (const [role, key] of Object.entries(roleKeys)) {
    const unit = unitOf(fields[key])
    if (unit !== undefined) found[role as Role] = unit
  }
  return found
}

/**
 * Reads an MSP's config.yaml; without the file nothing is configured, as in Fabric.
 *
 * @throws MspError `MSP_INVALID_FOLDER` when it cannot be read or is no YAML mapping
 */
export async function readConfigFile(file: string): Promise<FolderConfig> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return empty
    throw invalid(file, 'cannot be read', cause)
  }
  let parsed: unknown
  try {
    parsed = parse(text)
  } catch (cause) {
    throw invalid(file, 'is no YAML', cause)
  }
  if (parsed === null) return empty
  const fields = fieldsOf(parsed)
  if (fields === undefined) throw invalid(file, 'is no mapping')
  const units: unknown = fields['OrganizationalUnitIdentifiers'] ?? []
  if (!Array.isArray(units)) throw invalid(file, 'OrganizationalUnitIdentifiers is no list')
  const memberUnits = units.flatMap((unit) => unitOf(unit) ?? [])
  return { memberUnits, nodeOus: nodeOusOf(fields['NodeOUs']) }
}

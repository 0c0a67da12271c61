import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Node } from 'yaml'
import { invalid, readOptional } from './folder-files.ts'
import type { Skipped } from './folder-files.ts'
import type { MspError } from './errors.ts'
import type { Role } from './identity.ts'

/** An organisational unit in config.yaml. */
export interface ConfiguredOu {
  readonly organizationalUnit: string
  /** Path of its CA, relative to the MSP folder. */
  readonly certificate: string | undefined
  /** Where it stands, for messages: `config.yaml:4`. */
  readonly where: string
}

/** What config.yaml says. */
export interface FolderConfig {
  readonly memberUnits: readonly ConfiguredOu[]
  /** Undefined when NodeOUs are absent or not enabled. */
  readonly nodeOus: Readonly<Partial<Record<Role, ConfiguredOu>>> | undefined
}

const empty: FolderConfig = { memberUnits: [], nodeOus: undefined }

const roleKeys = {
  client: 'ClientOUIdentifier',
  peer: 'PeerOUIdentifier',
  admin: 'AdminOUIdentifier',
  orderer: 'OrdererOUIdentifier',
} as const satisfies Record<Role, string>
const unitKeys = ['Certificate', 'OrganizationalUnitIdentifier'] as const

/** Words for a boolean in YAML 1.1: Go's yaml takes them where a boolean is expected, quoted too. */
const yes = ['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON']
const no = ['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF']

type Path = readonly (string | number)[]

/** A value of the file, with what messages need to point at it. */
class Value {
  readonly #source: Source
  readonly #path: Path
  readonly raw: unknown

  constructor(source: Source, path: Path, raw: unknown) {
    this.#source = source
    this.#path = path
    this.raw = raw
  }

  get where(): string {
    return this.#source.where(this.#path)
  }

  get isAbsent(): boolean {
    return this.raw === undefined || this.raw === null
  }

  invalid(detail: string): MspError {
    const key = this.#path.filter((step) => typeof step === 'string').join('.')
    return invalid(`${this.where}: ${key === '' ? 'the file' : key} ${detail}`)
  }

  /** The values of a mapping, which must have no other keys than `keys`. */
  fields<Key extends string>(keys: readonly Key[]): Record<Key, Value> {
    const { raw } = this
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      throw this.invalid('must be a mapping')
    }
    for (const key of Object.keys(raw)) {
      if (keys.some((known) => known === key)) continue
      const near = keys.find((known) => known.toLowerCase() === key.toLowerCase())
      const cure = near === undefined ? `the known keys are ${keys.join(', ')}` : `write ${near}`
      throw this.#below(key, undefined).invalid(`is not a known key: ${cure}`)
    }
    const entries = keys.map((key) => [
      key,
      this.#below(key, (raw as Record<string, unknown>)[key]),
    ])
    return Object.fromEntries(entries) as Record<Key, Value>
  }

  list(): Value[] {
    if (this.isAbsent) return []
    if (!Array.isArray(this.raw)) throw this.invalid('must be a list')
    return this.raw.map((one: unknown, at) => this.#below(at, one))
  }

  boolean(): boolean {
    if (this.isAbsent) return false
    if (typeof this.raw === 'boolean') return this.raw
    if (yes.some((word) => word === this.raw)) return true
    if (no.some((word) => word === this.raw)) return false
    throw this.invalid(`is ${JSON.stringify(this.raw)}: write true or false, without quotes`)
  }

  /** Text; a number or a boolean counts as it is written. Empty when it is absent. */
  text(): string {
    if (this.isAbsent) return ''
    if (typeof this.raw === 'string') return this.raw
    if (typeof this.raw === 'object') throw this.invalid('must be text')
    return this.#source.written(this.#path)
  }

  #below(step: string | number, raw: unknown): Value {
    return new Value(this.#source, [...this.#path, step], raw)
  }
}

/** The parsed file. */
class Source {
  readonly #file: string
  readonly #document: Document
  readonly #lines = new LineCounter()

  constructor(file: string, text: string) {
    this.#file = file
    this.#document = parseDocument(text, { lineCounter: this.#lines, merge: true })
    const [fault] = this.#document.errors
    if (fault === undefined) return
    const { line } = this.#lines.linePos(fault.pos[0])
    throw invalid(`${file}:${line}: is not YAML: ${fault.message.replace(/\n.*/s, '')}`, fault)
  }

  get root(): Value {
    try {
      return new Value(this, [], this.#document.toJS())
    } catch (cause) {
      throw invalid(`${this.#file}: its aliases cannot be resolved`, cause)
    }
  }

  where(path: Path): string {
    const [offset = 0] = this.#nodeAt(path)?.key.range ?? []
    return `${this.#file}:${this.#lines.linePos(offset).line}`
  }

  /** A scalar as it stands in the file. */
  written(path: Path): string {
    const value = this.#nodeAt(path)?.value
    return isScalar(value) ? (value.source ?? '') : ''
  }

  /** The key and the value at `path`, or what is nearest above it. */
  #nodeAt(path: Path): { key: Node; value: Node } | undefined {
    let found = this.#document.contents ?? undefined
    let at = found && { key: found, value: found }
    for (const step of path) {
      const parent: unknown = isAlias(found) ? found.resolve(this.#document) : found
      const pair = isMap<Node, Node>(parent)
        ? parent.items.find(({ key }) => isScalar(key) && key.value === step)
        : undefined
      const item = isSeq<Node>(parent) ? parent.items[Number(step)] : undefined
      const next = pair?.value ?? item
      if (next === undefined) return at
      at = { key: pair?.key ?? next, value: next }
      found = next
    }
    return at
  }
}

/** One unit; undefined when it has no name, which Fabric takes for "not configured". */
function unitOf(value: Value, skipped: Skipped): ConfiguredOu | undefined {
  if (value.isAbsent) return undefined
  const fields = value.fields(unitKeys)
  const organizationalUnit = fields.OrganizationalUnitIdentifier.text()
  const certificate = fields.Certificate.text()
  if (organizationalUnit === '') {
    skipped.add(value.where, 'names no OrganizationalUnitIdentifier')
    return undefined
  }
  return {
    organizationalUnit,
    certificate: certificate === '' ? undefined : certificate,
    where: value.where,
  }
}

function nodeOusOf(value: Value, skipped: Skipped): FolderConfig['nodeOus'] {
  if (value.isAbsent) return undefined
  const fields = value.fields(['Enable', ...Object.values(roleKeys)])
  const found: Partial<Record<Role, ConfiguredOu>> = {}
  for (const [role, key] of Object.entries(roleKeys)) {
    const unit = unitOf(fields[key], skipped)
    if (unit !== undefined) found[role as Role] = unit
  }
  if (fields.Enable.boolean()) return found
  if (fields.Enable.isAbsent) {
    skipped.add(value.where, 'does not say Enable: true, so NodeOUs are off')
  }
  return undefined
}

/** Another spelling of the file's name would never be read: refused, so that nobody relies on it. */
async function checkNames(dir: string): Promise<void> {
  const names = await readdir(dir)
  const other = names.find((name) => /^config\.ya?ml$/i.test(name))
  if (other === undefined) return
  throw invalid(`${join(dir, other)} is not read: its name must be config.yaml`)
}

/**
 * Reads an MSP's config.yaml as Fabric does, but refuses keys that Fabric overlooks; without the
 * file nothing is configured.
 *
 * @throws MspError `MSP_INVALID_FOLDER` with file, line and key when it cannot be read, is not YAML,
 *   or says what Fabric would not take or not see
 * @see fabric v3.1.5 msp/configbuilder.go, Configuration (go.yaml.in/yaml/v4)
 */
export async function readConfigFile(dir: string, skipped: Skipped): Promise<FolderConfig> {
  const file = join(dir, 'config.yaml')
  const text = await readOptional(file)
  if (text === undefined) {
    await checkNames(dir)
    return empty
  }
  const { root } = new Source(file, text.toString('utf8'))
  if (root.isAbsent) return empty
  const fields = root.fields(['OrganizationalUnitIdentifiers', 'NodeOUs'])
  const memberUnits = fields.OrganizationalUnitIdentifiers.list().map((value) => {
    const unit = unitOf(value, skipped)
    if (unit === undefined) throw value.invalid('names no organisational unit')
    return unit
  })
  return { memberUnits, nodeOus: nodeOusOf(fields.NodeOUs, skipped) }
}

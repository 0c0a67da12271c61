import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@heddle/interface'
import { MspError } from '../errors.ts'
import type { Role } from '../identity.ts'
import { refuseUnknown } from '../refuse-unknown.ts'
import { readIfThere, writeWhole } from './files.ts'
import type { CertificateRequest } from './issue.ts'
import { ensureAuthority, ensurePair } from './pair.ts'
import type { StoredAuthority } from './pair.ts'

/** A node or user to make material for. */
export interface NodeSpec {
  /** Letters, digits, dots, hyphens and underscores, e.g. `peer0` or `Admin`. */
  readonly name: string
  readonly role: Role
  /** Further host names and IP addresses for its TLS certificate. */
  readonly sans?: readonly string[]
}

/** What {@link generateOrganization} takes. */
export interface OrganizationSpec {
  readonly mspId: string
  /** Names its nodes: `org1.example.com` gives `peer0.org1.example.com`. */
  readonly domain: string
  readonly nodes: readonly NodeSpec[]
  /** The organisation's folder; made when it is not there. */
  readonly dir: string
  /** Days, 1 or more; default 3,650. Nothing outlives the CA that issued it. */
  readonly validityDays?: number
  /** Tells what time it is; default the system's. */
  readonly clock?: Pick<Clock, 'wallTime'>
}

/** Where the material of one node or user is. */
export interface GeneratedNode {
  readonly name: string
  readonly role: Role
  /** Common name of its certificates: `peer0.org1.example.com`, `Admin@org1.example.com`. */
  readonly commonName: string
  /** Its MSP folder, for `loadSigningIdentity`. */
  readonly mspDir: string
  /** Paths of PEM files. */
  readonly tls: { readonly certificate: string; readonly key: string; readonly roots: string }
}

/** Where the material of an organisation is. */
export interface GeneratedOrganization {
  readonly mspId: string
  readonly dir: string
  /** The organisation's MSP folder, without any key, for `loadMsp`. */
  readonly mspDir: string
  /** As in the specification, in its order. */
  readonly nodes: readonly GeneratedNode[]
}

const dayMs = 24 * 60 * 60 * 1000
const defaultValidityDays = 3650
/** Certificates begin this long before they are made, for nodes whose clocks are behind. */
const backdatingMs = 5 * 60 * 1000

interface Plan {
  readonly spec: OrganizationSpec
  readonly notBefore: Date
  readonly notAfter: Date
}

interface Authorities {
  readonly ca: StoredAuthority
  readonly tlsCa: StoredAuthority
}

const safeName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/

const known: Readonly<Record<keyof OrganizationSpec, true>> = {
  ...{ mspId: true, domain: true, nodes: true, dir: true, validityDays: true, clock: true },
}

const roles: Readonly<Record<Role, true>> = { client: true, peer: true, admin: true, orderer: true }

function planOf(spec: OrganizationSpec): Plan {
  const { validityDays = defaultValidityDays, clock } = spec
  const refuse = (detail: string): MspError => new MspError('MSP_INVALID_OPTIONS', detail)
  refuseUnknown(spec, known)
  for (const { name, role } of spec.nodes)
    if (!Object.hasOwn(roles, role)) throw refuse(`${name} has the unknown role ${role}`)
  if (spec.mspId === '') throw refuse('mspId is empty')
  if (!(validityDays >= 1 && validityDays <= 36_500))
    throw refuse(`validityDays must be from 1 to 36500, not ${validityDays}`)
  for (const name of [spec.domain, ...spec.nodes.map((node) => node.name)]) {
    if (!safeName.test(name)) throw refuse(`${JSON.stringify(name)} is not a valid name`)
  }
  const places = spec.nodes.map((node) => placeOf(spec, node).dir)
  if (new Set(places).size !== places.length) throw refuse('two nodes with the same name')
  // Certificates carry whole seconds.
  const now = Math.floor((clock?.wallTime() ?? Date.now()) / 1000) * 1000
  const notBefore = new Date(now - backdatingMs)
  return { spec, notBefore, notAfter: new Date(notBefore.getTime() + validityDays * dayMs) }
}

/** Validity inside the issuer's: what begins before its CA, or ends after it, does not chain. */
function within(
  plan: Plan,
  issuer: StoredAuthority,
): Pick<CertificateRequest, 'notBefore' | 'notAfter'> {
  const { notBefore, notAfter } = issuer.parsed
  return {
    notBefore: plan.notBefore > notBefore ? plan.notBefore : notBefore,
    notAfter: plan.notAfter < notAfter ? plan.notAfter : notAfter,
  }
}

function placeOf(
  { dir, domain }: OrganizationSpec,
  { name, role }: NodeSpec,
): { dir: string; commonName: string; tlsName: string } {
  if (role === 'peer' || role === 'orderer') {
    const commonName = `${name}.${domain}`
    return { dir: join(dir, `${role}s`, commonName), commonName, tlsName: 'server' }
  }
  const commonName = `${name}@${domain}`
  return { dir: join(dir, 'users', commonName), commonName, tlsName: 'client' }
}

/** A CA folder that holds another CA belongs to another organisation. */
async function checkAuthorityFolder(folder: string, commonName: string): Promise<void> {
  const files = await readdir(folder).catch(() => [] as string[])
  const other = files.find(
    (file) => file.endsWith('-cert.pem') && file !== `${commonName}-cert.pem`,
  )
  if (other === undefined) return
  throw new MspError(
    'MSP_FOREIGN_MATERIAL',
    `${join(folder, other)} is the CA of another organisation`,
  )
}

async function authority(plan: Plan, kind: 'ca' | 'tlsca'): Promise<StoredAuthority> {
  const { dir, domain } = plan.spec
  const commonName = `${kind}.${domain}`
  const folder = join(dir, kind)
  await checkAuthorityFolder(folder, commonName)
  const paths = {
    certificate: join(folder, `${commonName}-cert.pem`),
    privateKey: join(folder, 'priv_sk'),
  }
  const { notBefore, notAfter } = plan
  return ensureAuthority(paths, {
    commonName,
    organization: domain,
    purpose: 'ca',
    notBefore,
    notAfter,
  })
}

/** Writes what must be exactly so; refuses when something else is there. */
async function ensureFile(path: string, text: string): Promise<void> {
  const there = await readIfThere(path)
  if (there === undefined) await writeWhole(path, text)
  else if (there !== text) {
    throw new MspError('MSP_FOREIGN_MATERIAL', `${path} does not belong to this organisation`)
  }
}

function configYaml(caFile: string): string {
  const units = (['client', 'peer', 'admin', 'orderer'] as const).map((role) => {
    const key = `${role.charAt(0).toUpperCase()}${role.slice(1)}OUIdentifier`
    return `  ${key}:\n    Certificate: cacerts/${caFile}\n    OrganizationalUnitIdentifier: ${role}\n`
  })
  return `NodeOUs:\n  Enable: true\n${units.join('')}`
}

/** The part of an MSP folder that every member of the organisation has. */
async function mspFolder(dir: string, domain: string, authorities: Authorities): Promise<void> {
  const caFile = `ca.${domain}-cert.pem`
  await ensureFile(join(dir, 'cacerts', caFile), authorities.ca.pem)
  await ensureFile(join(dir, 'tlscacerts', `tlsca.${domain}-cert.pem`), authorities.tlsCa.pem)
  const config = join(dir, 'config.yaml')
  // Once written, config.yaml is the operator's.
  if ((await readIfThere(config)) === undefined) await writeWhole(config, configYaml(caFile))
}

async function generateNode(
  plan: Plan,
  node: NodeSpec,
  authorities: Authorities,
): Promise<GeneratedNode> {
  const { spec } = plan
  const { ca, tlsCa } = authorities
  const { dir, commonName, tlsName } = placeOf(spec, node)
  const mspDir = join(dir, 'msp')
  await mspFolder(mspDir, spec.domain, authorities)
  await ensurePair(
    {
      certificate: join(mspDir, 'signcerts', `${commonName}-cert.pem`),
      privateKey: join(mspDir, 'keystore', 'priv_sk'),
    },
    { commonName, organizationalUnits: [node.role], purpose: 'member', ...within(plan, ca) },
    ca,
  )
  const tls = {
    certificate: join(dir, 'tls', `${tlsName}.crt`),
    key: join(dir, 'tls', `${tlsName}.key`),
    roots: join(dir, 'tls', 'ca.crt'),
  }
  const hosts = tlsName === 'server' ? [commonName, node.name, 'localhost', '127.0.0.1'] : []
  const sans = [...new Set([...hosts, ...(node.sans ?? [])])]
  await ensurePair(
    { certificate: tls.certificate, privateKey: tls.key },
    { commonName, purpose: 'tls', sans, ...within(plan, tlsCa) },
    tlsCa,
  )
  await ensureFile(tls.roots, tlsCa.pem)
  return { name: node.name, role: node.role, commonName, mspDir, tls }
}

/**
 * Makes development certificates for an organisation, in the folder layout of Fabric's cryptogen:
 * ca/, tlsca/, msp/, peers/, orderers/, users/ (clients and administrators), NodeOUs enabled.
 *
 * What is there is kept and what is missing is made, so it may run again, with more nodes too. Files
 * appear whole; keys can be read by their owner only. Meant for development and tests: the CA's keys
 * lie beside what they issue, unprotected.
 *
 * @throws MspError `MSP_INVALID_OPTIONS`; `MSP_FOREIGN_MATERIAL` when a file there is of another
 *   organisation, another CA or another role; errors of the file system as they come
 */
export async function generateOrganization(spec: OrganizationSpec): Promise<GeneratedOrganization> {
  const plan = planOf(spec)
  const authorities = { ca: await authority(plan, 'ca'), tlsCa: await authority(plan, 'tlsca') }
  const mspDir = join(spec.dir, 'msp')
  await mspFolder(mspDir, spec.domain, authorities)
  const nodes: GeneratedNode[] = []
  for (const node of spec.nodes) nodes.push(await generateNode(plan, node, authorities))
  return { mspId: spec.mspId, dir: spec.dir, mspDir, nodes }
}

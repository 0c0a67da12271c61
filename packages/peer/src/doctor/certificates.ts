import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerError, systemCode } from '../errors.ts'
import { exitCodes } from '../exit-status.ts'
import { lifetimeOf, lifetimeProblem } from '../node/certificates-check.ts'
import { certificatesIn } from '../node/tls-authority.ts'
import { readNamed } from '../read-named.ts'
import { findings, ofCondition, ok } from './finding.ts'
import type { Config } from '../config/settings.ts'
import type { Lifetime } from '../node/certificates-check.ts'
import type { Finding, Subject } from './finding.ts'

/** A file with certificates, and what they are for. */
export interface CertificateFile {
  readonly role: string
  readonly file: string
}

const dayMs = 24 * 3_600_000

/** Folders of an MSP that hold certificates which end, and what for. */
const mspFolders = [
  ['signcerts', 'enrollment'],
  ['cacerts', 'authority'],
  ['intermediatecerts', 'authority'],
  ['tlscacerts', 'TLS authority'],
  ['tlsintermediatecerts', 'TLS authority'],
] as const

/** The certificate files of an MSP folder; a folder that is not there has none. */
export async function mspFiles(dir: string): Promise<CertificateFile[]> {
  const found = mspFolders.map(async ([folder, role]) => {
    const names = await readdir(join(dir, folder)).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return []
      throw error
    })
    return names.sort().map((name) => ({ role, file: join(dir, folder, name) }))
  })
  return (await Promise.all(found)).flat()
}

/** The certificate files that a configuration names. */
export async function filesOf(config: Config): Promise<CertificateFile[]> {
  const operations = config['operations.tls.enabled']
    ? [
        { role: 'operations TLS', file: config['operations.tls.cert.file'] },
        ...config['operations.tls.clientRootCAs.files'].map((file) => ({
          role: 'authority of operations clients',
          file,
        })),
      ]
    : []
  return [
    ...(await mspFiles(config['peer.mspConfigPath'])),
    { role: 'server TLS', file: config['peer.tls.cert.file'] },
    ...operations.filter(({ file }) => file !== ''),
  ]
}

/** One finding for each certificate in files: its subject, its file, and when it ends. */
export async function certificateFindings(
  subject: Pick<Subject, 'about'>,
  files: readonly CertificateFile[],
  now: number,
): Promise<Finding[]> {
  const found = files.map(({ role, file }) =>
    findings({ check: 'certificate', ...subject }, async () => {
      const cure = 'check the path, and the MSP folder'
      const pem = await readNamed(file, { what: 'certificate', cure })
      return lifetimesIn(pem.toString(), { role, file }).map((lifetime) =>
        certificateFinding({ check: 'certificate', ...subject }, { lifetime, file, now }),
      )
    }),
  )
  return (await Promise.all(found)).flat()
}

function lifetimesIn(pem: string, { role, file }: CertificateFile): Lifetime[] {
  try {
    return certificatesIn(pem).map(({ raw }) => lifetimeOf(role, raw))
  } catch (error) {
    throw new PeerError(
      'PEER_WRONG_CERTIFICATE',
      `${file} holds something that is not a certificate`,
      {
        cure: 'put the certificate there again, in PEM',
        cause: error,
      },
    )
  }
}

function certificateFinding(
  subject: Subject,
  { lifetime, file, now }: { lifetime: Lifetime; file: string; now: number },
): Finding {
  const problem = lifetimeProblem(lifetime, now)
  if (problem !== undefined) {
    const what = `${problem.details.reason} (${file})`
    return ofCondition(subject, { name: problem.name, what, status: exitCodes.config })
  }
  const { role, subject: holder, to } = lifetime
  const end = new Date(to).toISOString()
  const days = Math.floor((to - now) / dayMs)
  return ok(subject, `${role} of ${holder} in ${file}: ends ${end}, in ${days} days`)
}

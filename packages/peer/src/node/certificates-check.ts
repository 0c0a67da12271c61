import { X509Certificate } from 'node:crypto'
import { hold } from './conditions.ts'
import type { Clock, Gauge, Metrics } from '@heddle/interface'
import type { ConditionName } from './condition-kinds.ts'
import type { ConditionDetails, ConditionSink } from './conditions.ts'

/** So long before its end a certificate is named, in milliseconds: a week. */
export const endsSoonMs = 7 * 24 * 3_600_000

/** A certificate of this validator. */
export interface OwnCertificate {
  /** What it is for. */
  readonly role: 'enrollment' | 'server TLS' | 'operations TLS'
  /** PEM or DER. */
  readonly certificate: Uint8Array | string
}

/** What {@link certificatesCheck} looks at. */
export interface CertificatesCheckDeps {
  readonly certificates: readonly OwnCertificate[]
  readonly clock: Clock
  readonly conditions: ConditionSink
  readonly metrics?: Metrics
}

const names = [
  'certificate-expired',
  'certificate-ends-soon',
  'certificate-not-valid-yet',
] as const satisfies readonly ConditionName[]

/** When a certificate counts. */
export interface Lifetime {
  /** What it is for. */
  readonly role: string
  readonly subject: string
  /** Milliseconds since 1970, as is `to`. */
  readonly from: number
  readonly to: number
}

/** Says when a certificate of this validator ends within a week, has ended, or does not count yet. */
export function certificatesCheck({
  certificates,
  clock,
  conditions,
  metrics,
}: CertificatesCheckDeps): () => void {
  const watched = certificates.map(({ role, certificate }) => lifetimeOf(role, certificate))
  const left = metrics && leftGauge(metrics)
  return () => {
    const now = clock.wallTime()
    for (const each of watched) {
      left?.set((each.to - now) / 1000, { certificate: each.role })
      const found = lifetimeProblem(each, now)
      for (const name of names)
        hold(conditions, name, found?.name === name ? found.details : undefined, each.role)
    }
  }
}

/** Reads one in PEM or DER. */
export function lifetimeOf(role: string, certificate: Uint8Array | string): Lifetime {
  const { subject, validFrom, validTo } = new X509Certificate(certificate)
  return {
    role,
    subject: subject.replaceAll('\n', ', '),
    from: Date.parse(validFrom),
    to: Date.parse(validTo),
  }
}

function leftGauge(metrics: Metrics): Gauge {
  return metrics.gauge({
    name: 'heddle_certificate_remaining_seconds',
    help: 'Time until a certificate of this validator expires; negative afterwards.',
    labelNames: ['certificate'],
  })
}

/** What there is to say of a certificate at a time in milliseconds since 1970; undefined: nothing. */
export function lifetimeProblem(
  lifetime: Lifetime,
  now: number,
): { readonly name: (typeof names)[number]; readonly details: ConditionDetails } | undefined {
  const name = nameOf(lifetime, now)
  return name && { name, details: detailsOf(lifetime, name, now) }
}

function nameOf({ from, to }: Lifetime, now: number): (typeof names)[number] | undefined {
  if (now > to) return 'certificate-expired'
  if (now < from) return 'certificate-not-valid-yet'
  return to - now < endsSoonMs ? 'certificate-ends-soon' : undefined
}

function detailsOf(
  { role, subject, from, to }: Lifetime,
  name: (typeof names)[number],
  now: number,
): ConditionDetails {
  const what = `the ${role} certificate of ${subject}`
  const reasons = {
    'certificate-expired': `${what} expired at ${iso(to)}`,
    'certificate-ends-soon': `${what} expires in ${Math.floor((to - now) / 3_600_000)} h, at ${iso(to)}`,
    'certificate-not-valid-yet': `${what} is valid from ${iso(from)} on, but our clock says ${iso(now)}`,
  }
  return { reason: reasons[name] }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

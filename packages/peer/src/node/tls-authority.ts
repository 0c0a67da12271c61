import { X509Certificate } from 'node:crypto'

/**
 * Whether an authority vouches for the first certificate of a chain: at once, or by way of others in it.
 *
 * @param chain - certificates in PEM, one behind the other
 * @param authorities - one certificate in PEM each; one of an intermediate authority suffices
 */
export function isVouchedFor(chain: string, authorities: readonly string[]): boolean {
  const [leaf, ...between] = certificatesIn(chain)
  const trusted = authorities.flatMap(certificatesIn)
  const passed = new Set<X509Certificate>()
  for (let current = leaf; current !== undefined && !passed.has(current);) {
    passed.add(current)
    const issued: X509Certificate = current
    if (trusted.some((authority) => isIssuedBy(issued, authority))) return true
    current = between.find((each) => isIssuedBy(issued, each))
  }
  return false
}

/** All certificates in a text; what else is in it is passed over. @throws when one cannot be read */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----/gs) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  if (certificate.raw.equals(authority.raw)) return true
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

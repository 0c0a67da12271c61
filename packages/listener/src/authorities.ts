import { X509Certificate } from 'node:crypto'

/** Stands for the authority of a client whose chain could not be followed. */
export const unknownAuthority = 'unknown authority'

/** Certificates of a chain that are looked at. */
const longestChain = 10

/** Tells at which of the trusted authorities a certificate ends; of several in its chain, at the uppermost. */
export class Authorities {
  readonly #trusted: readonly X509Certificate[]

  /** @param trusted - PEM, one certificate each: see `readTls` of `@heddle/msp` */
  constructor(trusted: readonly string[]) {
    this.#trusted = trusted.map((pem) => new X509Certificate(pem))
  }

  get isEmpty(): boolean {
    return this.#trusted.length === 0
  }

  /**
   * @param leaf - proved to end at one of them; its issuers are what came with it, in which nobody believes
   * @returns the SHA-256 fingerprint of the authority, or {@link unknownAuthority}
   */
  of(leaf: X509Certificate): string {
    let certificate: X509Certificate | undefined = leaf
    for (let depth = 0; certificate !== undefined && depth < longestChain; depth++) {
      const authority = this.#above(certificate)
      if (authority !== undefined) return this.#uppermost(authority).fingerprint256
      const { issuerCertificate: issuer }: X509Certificate = certificate
      certificate = issuer !== undefined && hasIssued(issuer, certificate) ? issuer : undefined
    }
    return unknownAuthority
  }

  #uppermost(authority: X509Certificate): X509Certificate {
    let uppermost = authority
    for (let depth = 0; depth < longestChain; depth++)
      uppermost = this.#trusted.find((each) => hasIssued(each, uppermost)) ?? uppermost
    return uppermost
  }

  /** The trusted authority that has issued a certificate, or is it. */
  #above(certificate: X509Certificate): X509Certificate | undefined {
    return this.#trusted.find(
      (each) => hasIssued(each, certificate) || each.raw.equals(certificate.raw),
    )
  }
}

/** Names are anybody's choice, signatures are not. */
function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

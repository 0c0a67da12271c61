import type { X509Certificate } from 'node:crypto'
import { Server, type TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { certificateReason } from '../../src/refusal-reasons.ts'
import { clientCertificateState, trustPartialChains } from '../../src/tls-clients.ts'

/** As Node 20 and 22 show a resumed TLS 1.3 session, and others. */
function fakeSocket(authorized: boolean, certificate?: object): TLSSocket {
  const getPeerX509Certificate = () => certificate as X509Certificate | undefined
  return { authorized, getPeerX509Certificate, alpnProtocol: 'h2' } as unknown as TLSSocket
}

describe('what a TLS client has proved', () => {
  it('is nothing without a certificate, though the socket is called authorized', () => {
    expect(clientCertificateState(fakeSocket(true))).to.equal('none')
    expect(clientCertificateState(fakeSocket(false))).to.equal('none')
    expect(clientCertificateState(fakeSocket(true, {}))).to.equal('proved')
    expect(clientCertificateState(fakeSocket(false, {}))).to.equal('wrong')
    expect(certificateReason(fakeSocket(true), 'required', 0)).to.match(/no TLS certificate/)
    expect(certificateReason(fakeSocket(true, {}), 'required', 0)).to.equal(undefined)
  })

  it('may be proved by an intermediate authority alone, or the port says that Node cannot', () => {
    trustPartialChains(new Server())
    for (const other of [{}, { _sharedCreds: {} }, { _sharedCreds: { context: {} } }])
      expect(() => trustPartialChains(other as Server))
        .to.throw(/cannot trust an intermediate/)
        .with.property('code', 'LISTENER_UNSUPPORTED_NODE')
  })
})

import { status } from '@grpc/grpc-js'
import { expect } from 'chai'
import type { ClientCertificate } from '../../src/index.ts'
import { call, clientWith, closePorts, openPort, organizations } from '../support/ports.ts'

/** What happens to a client with a certificate of ours, with a foreign one, with none. */
const expected: Readonly<Record<ClientCertificate, readonly (RegExp | undefined)[]>> = {
  required: [undefined, /^its TLS certificate is not of a known CA: /, /has no TLS certificate$/],
  optional: [undefined, /^its TLS certificate is not of a known CA: /, undefined],
  unchecked: [undefined, undefined, undefined],
}

describe('the certificate of a client', () => {
  afterEach(closePorts)

  for (const [clientCertificate, reasons] of Object.entries(expected)) {
    it(`is judged as the port says: ${clientCertificate}`, async () => {
      const port = await openPort({ clientCertificate: clientCertificate as ClientCertificate })
      const { ours, foreign } = await organizations()
      const certificates = [await ours.tls('client'), await foreign.tls('client'), undefined]
      for (const [index, reason] of reasons.entries()) {
        const client = await clientWith(port.number, certificates[index])
        const ended = await call(client)
        client.close()
        expect(ended === status.OK, `client ${index}`).to.equal(reason === undefined)
        if (reason !== undefined) expect(port.refusals(reason)).to.have.length(1)
      }
      const refused = reasons.filter((reason) => reason !== undefined)
      expect(port.refusals(/./)).to.have.length(refused.length)
    })
  }
})

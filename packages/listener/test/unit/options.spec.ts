import { expect } from 'chai'
import { GrpcPort, RefusalLog, UnfinishedMessages } from '../../src/index.ts'
import type { GrpcPortOptions } from '../../src/index.ts'
import { resolvePortOptions } from '../../src/options.ts'

const least: GrpcPortOptions = {
  listen: { host: 'localhost', port: 0 },
  tls: { certificate: 'c', key: 'k', roots: ['r'] },
}

/** The message of the error with which these options are refused. */
function refusal(options: object): string {
  try {
    const refusals = new RefusalLog({}, { port: 'test' })
    new GrpcPort({ refusals }, { ...least, ...options })
  } catch (error) {
    expect(error).to.have.property('code', 'LISTENER_INVALID_OPTIONS')
    return (error as Error).message
  }
  return 'taken'
}

describe('the options of a port', () => {
  it('have the defaults that the README lists', () => {
    expect(resolvePortOptions(least)).to.deep.equal({
      ...least,
      clientCertificate: 'required',
      setupTimeoutMs: 10_000,
      maxPendingConnections: 256,
      maxConnectionsPerCertificate: 16,
      maxConnectionsPerOrganization: 256,
      settled: 'HTTP/2',
    })
  })

  for (const name of [
    ...['setupTimeoutMs', 'maxPendingConnections', 'maxConnectionsPerCertificate'],
    'maxConnectionsPerOrganization',
  ])
    it(`${name} is an integer, 1 or more`, () => {
      for (const good of [1, Number.MAX_SAFE_INTEGER])
        expect(refusal({ [name]: good })).to.equal('taken')
      for (const bad of [0, -1, 1.5, Infinity, Number.NaN, '5'])
        expect(refusal({ [name]: bad })).to.equal(
          `${name} must be an integer, 1 or more, not ${bad}`,
        )
    })

  it('name what is unknown, out of range or no choice', () => {
    const listen = (port: number): string => refusal({ listen: { host: 'localhost', port } })
    expect([listen(0), listen(65_535)]).to.deep.equal(['taken', 'taken'])
    expect(listen(65_536)).to.equal('listen.port must be an integer from 0 to 65535, not 65536')
    expect(listen(-1)).to.match(/^listen\.port must be/)
    expect(refusal({ setupTimeout: 1 })).to.match(/setupTimeout\b.*setupTimeoutMs/)
    expect(refusal({ listen: { host: 'localhost', prot: 1 } })).to.match(/listen\.prot\b/)
    expect(refusal({ settled: 'soon' })).to.equal('settled must be one of HTTP/2, never, not soon')
    expect(refusal({ clientCertificate: 'none' })).to.match(/^clientCertificate must be one of/)
  })

  it('want authorities of clients that must have a certificate, and of no others', () => {
    const tls = { certificate: 'c', key: 'k', roots: [] }
    expect(refusal({ tls })).to.match(/^tls\.roots is empty/)
    expect(refusal({ tls, clientCertificate: 'optional' })).to.equal('taken')
  })
})

describe('the bounds of refusals and of messages that are not whole', () => {
  it('are 1 or more', () => {
    const log = (maxRefusalLinesPerMinute: number) => () =>
      new RefusalLog({}, { port: 'test', maxRefusalLinesPerMinute })
    expect(log(1)).to.not.throw()
    expect(log(0)).to.throw('maxRefusalLinesPerMinute must be an integer, 1 or more, not 0')
    const messages = (maxBytesEach: number, maxBytes: number) => () =>
      new UnfinishedMessages({ maxBytesEach, maxBytes })
    expect(messages(1, Infinity)).to.not.throw()
    expect(messages(0, 1)).to.throw('maxBytesEach must be 1 or more, not 0')
    expect(messages(1, Number.NaN))
      .to.throw('maxBytes must be 1 or more, not NaN')
      .with.property('code', 'LISTENER_INVALID_OPTIONS')
  })
})

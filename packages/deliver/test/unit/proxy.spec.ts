import { expect } from 'chai'
import { proxyFor } from '../../src/index.ts'

const proxied = { https_proxy: 'http://proxy.example.com:3128' }

function through(address: string, environment: Record<string, string>): string | undefined {
  return proxyFor(address, environment)?.address
}

describe('proxyFor', () => {
  it('takes the first variable that is set: grpc_proxy, https_proxy, http_proxy, in either case', () => {
    const all = { grpc_proxy: 'a:1', https_proxy: 'http://b:2', HTTP_PROXY: 'http://c/' }
    expect(through('peer.example.com:7051', all)).to.equal('a:1')
    expect(through('peer.example.com:7051', { ...all, grpc_proxy: ' ' })).to.equal('b:2')
    const { HTTP_PROXY } = all
    expect(proxyFor('peer.example.com:7051', { HTTP_PROXY })).to.include({
      address: 'c:80',
      variable: 'HTTP_PROXY',
    })
    expect(through('peer.example.com:7051', {})).to.equal(undefined)
  })

  for (const address of [
    'localhost:7050',
    'LOCALHOST:7050',
    'peer0.localhost:7050',
    '127.0.0.1:7050',
    '127.8.9.1:7050',
    '[::1]:7050',
    '[::ffff:127.0.0.1]:7050',
    'localhost.:7050',
    '0.0.0.0:7050',
    '[::]:7050',
    '[0:0::1]:7050',
  ]) {
    it(`never goes through a proxy to ${address}`, () => {
      expect(through(address, proxied)).to.equal(undefined)
    })
  }

  for (const address of ['localhost.example.com:1', '128.0.0.1:1', '[::2]:1', 'peer:1']) {
    it(`goes through the proxy to ${address}`, () => {
      expect(through(address, proxied)).to.equal('proxy.example.com:3128')
    })
  }

  const exempt: [string, string, boolean][] = [
    ['*', 'peer.example.com:7051', true],
    ['example.com', 'example.com:7051', true],
    ['example.com', 'Peer.Example.com:7051', true],
    ['example.com', 'badexample.com:7051', false],
    ['.example.com', 'peer.example.com:7051', true],
    ['.example.com', 'example.com:7051', false],
    ['*.example.com', 'peer.example.com:7051', true],
    ['other.org, example.com', 'peer.example.com:7051', true],
    ['other.org,', 'peer.example.com:7051', false],
    ['example.com:7051', 'peer.example.com:7051', true],
    ['example.com:7052', 'peer.example.com:7051', false],
    ['10.1.2.3', '10.1.2.3:7051', true],
    ['1.2.3', '10.1.2.3:7051', false],
    ['10.0.0.0/8', '10.1.2.3:7051', true],
    ['10.0.0.0/8', '11.1.2.3:7051', false],
    ['10.0.0.0/33', '10.1.2.3:7051', false],
    ['fd00::/8', '[fd00::5]:7051', true],
    ['fd00::5', '[fd00::5]:7051', true],
    ['10.0.0.0/8', '[fd00::5]:7051', false],
    ['fd00::/8', '10.1.2.3:7051', false],
    ['10.0.0.0/8:7051', '10.1.2.3:7051', true],
    ['10.0.0.0/8:7052', '10.1.2.3:7051', false],
    ['[fd00::/8]:7051', '[fd00::5]:7051', true],
    ['fd00:0::5', '[fd00::5]:7051', true],
    ['FD00::5', '[fd00::5]:7051', true],
    ['[fd00::5]:7051', '[fd00:0:0::5]:7051', true],
    ['[fd00::5]:7052', '[fd00::5]:7051', false],
    ['fd00::6', '[fd00::5]:7051', false],
    ['fe80::/10', '[fe80::1%eth0]:7051', true],
    ['10.1.2.3', '[::ffff:10.1.2.3]:7051', true],
    ['example.com', 'peer.example.com.:7051', true],
    ['example.com.', 'peer.example.com:7051', true],
    ['example.com.', 'example.com.:7051', true],
    ['EXAMPLE.com', 'example.COM:7051', true],
    ['peer.example.com', '10.1.2.3:7051', false],
  ]
  for (const [list, address, isExempt] of exempt) {
    it(`with no_proxy "${list}" ${isExempt ? 'connects directly' : 'goes through it'} to ${address}`, () => {
      const expected = isExempt ? undefined : 'proxy.example.com:3128'
      expect(through(address, { ...proxied, no_proxy: list })).to.equal(expected)
      expect(through(address, { ...proxied, NO_PROXY: list })).to.equal(expected)
    })
  }

  it('prefers no_grpc_proxy to no_proxy', () => {
    const lists = { no_grpc_proxy: 'other.org', no_proxy: 'example.com' }
    expect(through('example.com:1', { ...proxied, ...lists })).to.be.a('string')
  })

  for (const value of ['https://proxy:3128', 'socks5://proxy:1080', 'http://', 'http://a:b:c']) {
    it(`refuses ${value}, naming the variable and the cure`, () => {
      const https_proxy = value.replace('//', '//user:secret@')
      expect(() => proxyFor('peer.example.com:7051', { https_proxy }))
        .to.throw(/https_proxy is not the URL of an HTTP proxy: give http:\/\/host:port/)
        .with.property('code', 'DELIVER_INVALID_OPTIONS')
      expect(() => proxyFor('peer.example.com:7051', { https_proxy })).not.to.throw(/secret/)
    })
  }
})

import { Socket } from 'node:net'
import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { isAddress, maxShownAddress, shownAddress } from '../../src/address.ts'
import { createBroadcastClient, proxyFor, pullBlocks } from '../../src/index.ts'

const hostile = 'x\r\nX-Evil: 1\r\n\r\nGET http://internal/ HTTP/1.1\r\nHost: a:7050'

describe('the address of an endpoint', () => {
  for (const address of [
    'a:1',
    'orderer_1.example.com.:65535',
    '10.1.2.3:7050',
    '[::1]:7050',
    '[fe80::1%eth0]:7050',
    `${'a'.repeat(253)}:1`,
  ]) {
    it(`may be ${address.slice(0, 40)}`, () => {
      expect(isAddress(address)).to.equal(true)
    })
  }

  for (const address of [
    '',
    'a',
    'a:',
    ':1',
    'a:0',
    'a:65536',
    'a:1 ',
    ' a:1',
    'a b:1',
    'a:1\n',
    'a\t:1',
    '::1:1',
    '[::g]:1',
    '[a]:1',
    '[::1\r\n]:1',
    'unix:/tmp/x:1',
    'http://a:1',
    'a@b:1',
    `${'a'.repeat(254)}:1`,
    hostile,
  ]) {
    it(`may not be ${JSON.stringify(address.slice(0, 40))}`, () => {
      expect(isAddress(address)).to.equal(false)
    })
  }

  it('is refused in the options of who connects', () => {
    const clock = new VirtualClock()
    const signer = { serialized: Buffer.from('me'), sign: () => new Uint8Array() }
    const endpoints = [{ address: hostile, roots: [] }]
    const deps = { signer, clock, proxyFor: () => undefined }
    const refused = /^not an endpoint's address: "x\\r\\nX-Evil.*give host:port$/
    expect(() => createBroadcastClient(deps, { endpoints }))
      .to.throw(refused)
      .with.property('code', 'DELIVER_INVALID_OPTIONS')
    const options = { channelId: 'ch', configBlock: new Uint8Array(), endpoints }
    expect(() => pullBlocks(deps, options))
      .to.throw(refused)
      .with.property('code', 'DELIVER_INVALID_OPTIONS')
  })

  it('is refused before a proxy is asked for a tunnel to it', async () => {
    let sent = ''
    const socket = new Socket()
    socket.write = (bytes): boolean => (sent += String(bytes)) === ''
    const proxy = proxyFor('orderer:7050', { https_proxy: 'http://proxy:3128' })!
    const error: unknown = await proxy.open(socket, hostile).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'DELIVER_INVALID_OPTIONS')
    expect(sent).to.equal('')
    socket.destroy()
  })

  it(`is shown up to ${maxShownAddress} characters, without line ends`, () => {
    const most = 'a'.repeat(maxShownAddress)
    expect(shownAddress(most)).to.equal(`"${most}"`)
    expect(shownAddress(`${most}b`)).to.equal(`"${most}…"`)
    expect(shownAddress('\r\n')).to.equal('"\\r\\n"')
  })
})

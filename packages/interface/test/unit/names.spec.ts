import { expect } from 'chai'
import { nearestName, unknownOption } from '../../src/index.ts'

const known = ['batchSize', 'batchTimeoutMs', 'id']

describe('nearestName', () => {
  it('finds the same letters, or what differs by two characters in a row, no more', () => {
    for (const near of [
      'BATCHSIZE',
      'batchsize',
      'batchSise',
      'batchSiz',
      'batchSizeee',
      'bacthSize',
    ])
      expect(nearestName(near, known), near).to.equal('batchSize')
    for (const far of ['batchSizeeee', 'size', 'abtchSizee', ''])
      expect(nearestName(far, known.slice(0, 2)), far).to.equal(undefined)
  })

  it('prefers the same letters to a near name that comes first', () => {
    expect(nearestName('AB', ['AC', 'ab'])).to.equal('ab')
  })
})

describe('unknownOption', () => {
  it('says nothing of known names, whatever they hold', () => {
    for (const options of [{}, { id: 1 }, { id: undefined, batchSize: 'x' }])
      expect(unknownOption(options, known)).to.equal(undefined)
  })

  it('names the first that is not known, what was meant, and all that there are', () => {
    expect(unknownOption({ id: 1, batchsize: 5, other: 1 }, known)).to.equal(
      'there is no option batchsize (did you mean batchSize?); there are batchSize, batchTimeoutMs, id',
    )
    expect(unknownOption({ timeout: undefined }, known)).to.equal(
      'there is no option timeout; there are batchSize, batchTimeoutMs, id',
    )
  })

  it('names an option in another with its path', () => {
    expect(unknownOption({ prot: 1 }, ['host', 'port'], 'listen')).to.equal(
      'there is no option listen.prot (did you mean listen.port?); there are listen.host, listen.port',
    )
  })

  it('takes no options for no object', () => {
    for (const none of [undefined, null, 'id', 5])
      expect(unknownOption(none, known), String(none)).to.equal('the options are not an object')
    expect(unknownOption(7, known, 'tls')).to.equal('tls is not an object')
  })
})

import { expect } from 'chai'
import { LedgerError } from '../../../src/errors.ts'
import { arePackedTxIds, maxTxIdBytes, packTxIds } from '../../../src/index/tx-id.ts'

const hex = (txIds: readonly string[]): string => packTxIds(txIds).toString('hex')

describe('packTxIds', () => {
  it('packs hex as bytes, text as text and nothing as nothing, whatever stands beside it', () => {
    expect(hex(['abcd'])).to.equal('000378abcd')
    expect(hex(['abcd', '00ff00'])).to.equal('000378abcd00047800ff00')
    expect(hex(['zz'])).to.equal('0003737a7a')
    expect(hex([''])).to.equal('0000')
    expect(hex([])).to.equal('')
    expect(hex(['abcd', 'zz'])).to.equal('000378abcd0003737a7a')
    expect(hex(['', 'abcd', ''])).to.equal('0000000378abcd0000')
  })

  it('takes for hex only what comes back: lower case, whole bytes', () => {
    expect(hex(['ABCD'])).to.equal('00057341424344')
    expect(hex(['abc'])).to.equal('000473616263')
    // Together they would be whole bytes.
    expect(hex(['abc', 'd'])).to.equal('000473616263000273' + '64')
    expect(hex(['ab\u00e9'])).to.equal('0005736162c3a9')
  })

  it(`takes ids of ${maxTxIdBytes} bytes, and refuses longer ones, hex or not`, () => {
    for (const digit of ['0', 'x']) {
      expect(arePackedTxIds(packTxIds([digit.repeat(maxTxIdBytes)]))).to.equal(true)
      const tooLong = (): unknown => packTxIds(['ab', digit.repeat(maxTxIdBytes + 2)])
      expect(tooLong).to.throw(LedgerError).with.property('code', 'LEDGER_TOO_LARGE')
    }
  })
})

describe('arePackedTxIds', () => {
  it('is false of anything cut short', () => {
    const bytes = packTxIds(['abcd', 'zz', '', 'ef'])
    const whole = [0, 5, 10, 12, 16]
    for (let end = 0; end <= bytes.length; end += 1) {
      expect(arePackedTxIds(bytes.subarray(0, end)), `${end}`).to.equal(whole.includes(end))
    }
  })
})

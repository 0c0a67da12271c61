import { expect } from 'chai'
import { isStateWrite } from '../../../src/index.ts'

// The kind: a bound of one package that decides what another has signed. Whether a change fits decides
// verdicts that stand in blocks, so these bounds stay as they are; a test holds them as numbers.
describe('what fits the state', () => {
  const fits = (namespace: string, key: string, bytes = 1): boolean =>
    isStateWrite({ namespace, key, value: Buffer.alloc(bytes) })

  it('is a namespace of 1 to 64 bytes without NUL', () => {
    expect([fits('', 'k'), fits('n', 'k'), fits('n\0', 'k')]).to.deep.equal([false, true, false])
    expect([fits('n'.repeat(64), 'k'), fits('n'.repeat(65), 'k')]).to.deep.equal([true, false])
    expect([fits('é'.repeat(32), 'k'), fits('é'.repeat(33), 'k')]).to.deep.equal([true, false])
  })

  it('is a key of 1 to 1,024 bytes of well-formed text', () => {
    expect([fits('n', ''), fits('n', '\0')]).to.deep.equal([false, true])
    expect([fits('n', 'k'.repeat(1024)), fits('n', 'k'.repeat(1025))]).to.deep.equal([true, false])
    expect([fits('n', '\u{1F600}'), fits('n', '\ud800'), fits('n', 'x\udc00')]).to.deep.equal([
      true,
      false,
      false,
    ])
  })

  it('is a value of up to 64 MiB, or none', () => {
    const most = 64 * 1024 * 1024
    expect([fits('n', 'k', 0), fits('n', 'k', most)]).to.deep.equal([true, true])
    expect(fits('n', 'k', most + 1)).to.equal(false)
    expect(isStateWrite({ namespace: 'n', key: 'k', value: undefined })).to.equal(true)
  })
})

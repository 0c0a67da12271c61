import { expect } from 'chai'
import { CodedError, InvariantError, isCodedError } from '../../src/index.ts'

class LostError extends CodedError<'TEST_LOST'> {
  constructor(options?: ErrorOptions) {
    super('TEST_LOST', 'the parcel is lost; ask the sender', options)
  }
}

describe('CodedError', () => {
  it('carries its code, the name of its class and its cause', () => {
    const cause = new Error('rain')
    const error = new LostError({ cause })
    expect(error).to.be.instanceOf(Error)
    expect(error.code).to.equal('TEST_LOST')
    expect(error.name).to.equal('LostError')
    expect(error.cause).to.equal(cause)
  })

  it('shows nothing but its own fields when it is listed', () => {
    expect(Object.keys(new LostError()).sort()).to.deep.equal(['code', 'name'])
  })
})

describe('isCodedError', () => {
  it('accepts an error of the code and refuses one of another code', () => {
    expect(isCodedError(new LostError(), 'TEST_LOST')).to.equal(true)
    expect(isCodedError(new LostError(), 'TEST_FOUND')).to.equal(false)
    expect(isCodedError(new InvariantError('x'))).to.equal(true)
  })

  it('accepts an error that another copy of the package made', () => {
    const foreign = Object.assign(new Error('lost'), { code: 'TEST_LOST' })
    Object.defineProperty(foreign, Symbol.for('@heddle/interface/CodedError'), { value: true })
    expect(isCodedError(foreign, 'TEST_LOST')).to.equal(true)
  })

  it('refuses other errors with a code, and things that are no errors', () => {
    const system = Object.assign(new Error('no such file'), { code: 'ENOENT' })
    for (const other of [system, { code: 'TEST_LOST' }, 'TEST_LOST', undefined, null]) {
      expect(isCodedError(other), JSON.stringify(other)).to.equal(false)
    }
  })
})

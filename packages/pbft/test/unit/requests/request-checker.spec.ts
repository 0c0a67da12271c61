import { expect } from 'chai'
import { requestDigest } from '../../../src/wire/request-batch.ts'
import { RequestChecker } from '../../../src/requests/request-checker.ts'
import { InvalidRequestError, MemoryStateMachine } from '../../../src/testing.ts'
import { batchOf } from '../../support/cores.ts'

describe('RequestChecker', () => {
  const limits = { batchSize: 3, maxBatchBytes: 100, maxRequestBytes: 50, maxRemembered: 100 }
  const setup = () => {
    const machine = new MemoryStateMachine()
    return { machine, checker: new RequestChecker(machine, limits) }
  }
  const bytes = (text: string) => Buffer.from(text)

  it('asks once for a request that comes back in a batch, and gives the batch at once', async () => {
    const { machine, checker } = setup()
    for (const name of ['a', 'b'])
      await checker.check(bytes(name), requestDigest(bytes(name)), 'intake')
    expect(checker.checkBatch([bytes('a'), bytes('b')])).to.have.property(
      'digest',
      batchOf('a', 'b').digest,
    )
    expect(machine.checks).to.equal(2)
  })

  it('asks once for a request that is asked about twice at the same time', async () => {
    const { machine, checker } = setup()
    await Promise.all([
      checker.checkBatch([bytes('a')]),
      checker.checkBatch([bytes('a'), bytes('b')]),
    ])
    expect(machine.checks).to.equal(2)
  })

  it('asks again about what was refused, and about what it was told to forget', async () => {
    const { machine, checker } = setup()
    for (let i = 0; i < 2; i++) {
      const refused: unknown = await checker
        .check(bytes(''), requestDigest(bytes('')), 'intake')
        .catch((e: unknown) => e)
      expect(refused).to.be.instanceOf(InvalidRequestError)
    }
    await checker.check(bytes('a'), 'digest', 'intake')
    checker.forget('digest')
    await checker.check(bytes('a'), 'digest', 'intake')
    expect(machine.checks).to.equal(4)
  })

  it('does not let a refusal at intake spoil a batch with the same request', async () => {
    const machine = new MemoryStateMachine({ isValid: (_, purpose) => purpose === 'proposal' })
    const checker = new RequestChecker(machine, limits)
    const taken = checker.check(bytes('a'), requestDigest(bytes('a')), 'intake')
    const batch = checker.checkBatch([bytes('a')])
    expect(await taken.catch((error: unknown) => error)).to.be.instanceOf(InvalidRequestError)
    expect(await batch).to.have.property('digest', batchOf('a').digest)
  })

  for (const [problem, requests] of [
    ['a request twice', ['a', 'a']],
    ['the same request three times', ['a', 'a', 'a']],
    ['an invalid request', ['a', '']],
    ['more than batchSize requests', ['a', 'b', 'c', 'd']],
    ['more than maxBatchBytes', ['a'.repeat(50), 'b'.repeat(50), 'c']],
    ['a request over maxRequestBytes', ['a'.repeat(51)]],
  ] as const) {
    it(`refuses a batch with ${problem}`, async () => {
      const { checker } = setup()
      const refusal: unknown = await Promise.resolve()
        .then(() => checker.checkBatch(requests.map(bytes)))
        .catch((error: unknown) => error)
      expect(refusal)
        .to.have.property('code')
        .that.matches(/PBFT_(INVALID_BATCH|REQUEST_TOO_LARGE)/)
    })
  }
})

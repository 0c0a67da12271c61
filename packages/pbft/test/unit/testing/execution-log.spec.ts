import { expect } from 'chai'
import { ExecutionLog } from '../../../src/testing/execution-log.ts'

const bytes = (text: string): Buffer => Buffer.from(text)

describe('ExecutionLog', () => {
  /** The id of a request is its first letter; those with an id up to m were submitted. */
  const open = (): ExecutionLog =>
    new ExecutionLog({ idOf: (request) => request.toString()[0]!, isSubmitted: (id) => id <= 'm' })

  /** What is wrong after replicas began these batches: replica, sequence number, requests. */
  function problemOf(...begun: readonly [number, bigint, ...string[]][]): string | undefined {
    const log = open()
    for (const [replica, sequence, ...texts] of begun)
      log.begins(replica, sequence, texts.map(bytes))
    return log.problem
  }

  it('finds nothing wrong when all begin the same batches, one after the other', () => {
    const all = [0, 1, 2].flatMap((id) => [[id, 1n, 'a', 'b'] as const, [id, 2n] as const])
    expect(problemOf(...all.map(([...each]) => each as [number, bigint]))).to.equal(undefined)
  })

  it('finds a batch that is begun twice, and one that is left out', () => {
    expect(problemOf([0, 1n, 'a'], [0, 1n, 'a'])).to.equal('replica 0 executes 1 after 1')
    expect(problemOf([0, 1n, 'a'], [0, 3n, 'a'])).to.equal('replica 0 executes 3 after 1')
    expect(problemOf([0, 2n, 'a'])).to.equal('replica 0 executes 2 after 0')
  })

  it('finds batches that differ, also if their ids do not', () => {
    const problem = 'agreement: replicas 0 and 2 differ at 1'
    expect(problemOf([0, 1n, 'a1'], [2, 1n, 'a2'])).to.equal(problem)
    expect(problemOf([0, 1n, 'a', 'b'], [2, 1n, 'b', 'a'])).to.equal(problem)
    expect(problemOf([0, 1n], [2, 1n, 'a'])).to.equal(problem)
  })

  it('finds states that differ', () => {
    const log = open()
    log.executed(0, 1n, bytes('x'))
    log.executed(1, 1n, bytes('x'))
    expect(log.problem).to.equal(undefined)
    log.executed(2, 1n, bytes('y'))
    log.executed(3, 1n, bytes('z'))
    expect(log.problem).to.equal('agreement: replicas 0 and 2 differ at 1')
  })

  it('finds a request that nobody submitted', () => {
    expect(problemOf([0, 1n, 'a', 'n'])).to.equal('nobody submitted what was ordered at 1')
  })

  it('goes on behind a state that a replica started in, or that was transferred', () => {
    const log = open()
    log.starts(0, { sequence: 4n, digest: bytes('x') })
    log.begins(0, 5n, [])
    log.reaches(0, { sequence: 9n, digest: bytes('y') })
    log.begins(0, 10n, [])
    expect(log.problem).to.equal(undefined)
  })

  it('finds a replica that comes back before what it executed or was transferred', () => {
    for (const act of ['executed', 'transferred'] as const) {
      const log = open()
      if (act === 'executed') log.executed(1, 3n, bytes('x'))
      else log.reaches(1, { sequence: 3n, digest: bytes('x') })
      log.starts(1, { sequence: 3n, digest: bytes('x') })
      expect(log.problem, act).to.equal(undefined)
      log.starts(1, { sequence: 2n, digest: bytes('w') })
      expect(log.problem, act).to.equal('replica 1 executed 3, and came back at 2')
    }
  })

  it('knows of several requests of one id the first in the order', () => {
    const log = open()
    log.begins(0, 1n, [bytes('a1'), bytes('a2')])
    log.begins(0, 2n, [bytes('a3')])
    log.begins(1, 1n, [bytes('a1'), bytes('a2')])
    expect(log.requestOf('a')).to.deep.equal(bytes('a1'))
    expect(log.requestOf('b')).to.equal(undefined)
  })
})

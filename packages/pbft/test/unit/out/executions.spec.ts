import { expect } from 'chai'
import { Executions } from '../../../src/out/executions.ts'
import { MemoryStateMachine } from '../../../src/testing.ts'
import { batchOf } from '../../support/cores.ts'
import { nextTurn } from '../../support/turns.ts'

describe('Executions', () => {
  it('reports in order of sequence, whatever ends first', async () => {
    const ends: ((digest: Uint8Array) => void)[] = []
    const reported: bigint[] = []
    const machine = Object.assign(new MemoryStateMachine(), {
      execute: () => new Promise<Uint8Array>((resolve) => ends.push(resolve)),
    })
    const executions = new Executions(machine, {
      executed: (n) => reported.push(n),
      failed: () => undefined,
    })
    void executions.run(1n, batchOf('a'))
    void executions.run(2n, batchOf('b'))
    ends[1]!(Buffer.from('2'))
    await nextTurn()
    expect(reported).to.deep.equal([])
    ends[0]!(Buffer.from('1'))
    await executions.idle()
    expect(reported).to.deep.equal([1n, 2n])
  })

  it('reports a failure', async () => {
    const failures: bigint[] = []
    const machine = Object.assign(new MemoryStateMachine(), {
      execute: () => Promise.reject(new TypeError('disk')),
    })
    await new Executions(machine, {
      executed: () => undefined,
      failed: (n) => failures.push(n),
    }).run(7n, batchOf('a'))
    expect(failures).to.deep.equal([7n])
  })
})

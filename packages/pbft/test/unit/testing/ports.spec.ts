import {
  journalCases,
  MemoryJournal,
  MemoryNetwork,
  MemoryStateMachine,
  networkCases,
  signerCases,
  stateMachineCases,
  TestKeys,
} from '../../../src/testing.ts'
import { nextTurn } from '../../support/turns.ts'

describe('the ports in memory', () => {
  const cases = [
    ...networkCases(() => {
      const network = new MemoryNetwork()
      const received: { from: number; bytes: Uint8Array }[] = []
      network.connect(1, (from, bytes) => received.push({ from, bytes }))
      return { port: network.port(0), received, settle: () => nextTurn() }
    }),
    ...journalCases(() => {
      const journal = new MemoryJournal()
      return { journal, reopen: () => journal }
    }),
    ...stateMachineCases(() => ({
      create: (source) =>
        new MemoryStateMachine({ source: () => source as MemoryStateMachine | undefined }),
      reopen: (machine) => machine,
      requests: [Buffer.from('a'), Buffer.from('b'), Buffer.from('c')],
      invalid: Buffer.alloc(0),
    })),
    ...signerCases(() => {
      const keys = new TestKeys()
      return { signer: (replica) => keys.signer(replica), verifier: keys }
    }),
  ]
  for (const { name, run } of cases) it(name, run)
})

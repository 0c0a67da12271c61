import { createHash } from 'node:crypto'
import { commCases, MemoryNetwork } from '../../src/testing.ts'
import { createNode, stopNodes } from '../support/nodes.ts'

describe('a comm over gRPC', function () {
  this.timeout(30_000)
  afterEach(stopNodes)
  const fixture = { create: async () => (await createNode({ start: false })).comm }
  for (const { name, run } of commCases()) it(name, () => run(fixture))
})

describe('MemoryNetwork', function () {
  this.timeout(30_000)
  for (const { name, run } of commCases()) {
    it(name, async () => {
      const network = new MemoryNetwork()
      let count = 0
      await run({
        create: () => {
          count += 1
          const identity = Buffer.from(`node ${count}`)
          const pkiId = createHash('sha256').update(identity).digest()
          return Promise.resolve(network.create({ pkiId, identity }))
        },
      })
    })
  }
})

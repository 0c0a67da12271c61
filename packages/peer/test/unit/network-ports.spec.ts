import { expect } from 'chai'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { PeerError } from '../../src/errors.ts'
import { fixedPorts, freePorts, highestPort, isFree, lowestPort } from '../../src/network/ports.ts'

const yes = (): Promise<boolean> => Promise.resolve(true)

describe('the ports of a network', () => {
  it('are side by side, in the range, and others for the next processes', async () => {
    const taken = new Set<number>()
    for (let pid = 4_194_000; pid < 4_195_000; pid++) {
      const ports = await freePorts(12, pid, yes)
      expect(ports).to.have.length(12)
      expect(ports).to.deep.equal(ports.map((_, index) => ports[0]! + index))
      for (const port of ports) {
        expect(port).to.be.within(lowestPort, highestPort)
        expect(taken.has(port), `port ${port} of process ${pid}`).to.equal(false)
        taken.add(port)
      }
    }
  })

  it('are none where somebody listens', async () => {
    const [first] = await freePorts(12, 1, yes)
    const ports = await freePorts(12, 1, (port) => Promise.resolve(port !== first! + 11))
    expect(ports[0]).to.equal(first! + 12)
  })

  it('begin again at the bottom of the range, and do not suffice when all are taken', async () => {
    const asked = new Set<number>()
    const no = (port: number): Promise<boolean> =>
      Promise.resolve(void asked.add(port)).then(() => false)
    const error = await freePorts(12, 777, no).catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(PeerError).with.property('code', 'PEER_PORT_BUSY')
    expect(asked.size).to.equal(Math.floor((highestPort - lowestPort + 1) / 12) * 12)
  })

  it('that a person chose are named when one is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await isFree(port)).to.equal(false)
    const error = await fixedPorts(port, 1).catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(PeerError).with.property('code', 'PEER_PORT_BUSY')
    expect((error as Error).message).to.include(`127.0.0.1:${port}`)
    server.close()
    await once(server, 'close')
  })
})

import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { encode, msp } from '@heddle/proto'
import { expect } from 'chai'
import type { RemotePeer } from '../../src/index.ts'
import { createNode, dataMessage, Inbox, organizations, stopNodes } from '../support/nodes.ts'

const script = fileURLToPath(new URL('../support/child.ts', import.meta.url))

interface Material {
  readonly certificate: string
  readonly key: string
  readonly tls: { readonly certificate: string; readonly key: string }
}

describe('a node in another process', function () {
  this.timeout(20_000)
  const children: ChildProcess[] = []

  const material = async (): Promise<Material> => {
    const { a } = await organizations()
    const pair = await a.issue({
      commonName: 'child',
      organizationalUnits: ['peer'],
      purpose: 'member',
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
    })
    return { certificate: pair.certificate, key: pair.privateKey, tls: await a.tls('child') }
  }

  const spawn = async (
    own: Material,
    port = 0,
  ): Promise<{ child: ChildProcess; peer: RemotePeer & { pkiId: Uint8Array } }> => {
    const { a } = await organizations()
    const child = fork(script, { execArgv: ['--import', 'tsx'] })
    children.push(child)
    const config = encode(msp.MSPConfigSchema, a.msp.toConfig()).toString('hex')
    child.send({ ...own, config, tlsCa: a.tlsCa.certificate, port })
    const [ready] = (await once(child, 'message')) as [{ endpoint: string; pkiId: string }]
    return {
      child,
      peer: { endpoint: ready.endpoint, pkiId: Buffer.from(ready.pkiId, 'hex') },
    }
  }

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    await stopNodes()
  })

  it('takes, acknowledges and answers messages', async () => {
    const one = await createNode()
    const { peer } = await spawn(await material())
    const inbox = new Inbox(one.comm)
    const options = { timeoutMs: 10_000, minAck: 1 }
    const result = await one.comm.sendWithAck(dataMessage(1), options, peer)
    expect(result.toString()).to.equal('{"successes":1}')
    for (let i = 2; i < 500; i += 1) await one.comm.push(dataMessage(i, 1000), peer)
    await inbox.take(499)
    expect(inbox.sequences).to.deep.equal([...Array(500).keys()].slice(1))
  })

  it('is presumed dead when it is killed, and reached again when it is back', async () => {
    const one = await createNode({ redialDelayMs: 0 })
    const own = await material()
    const { child, peer } = await spawn(own)
    const inbox = new Inbox(one.comm)
    const dead = one.comm.presumedDead()
    await one.comm.push(dataMessage(1), peer)
    await inbox.take(1)
    child.kill('SIGKILL')
    expect(Buffer.from((await dead.next()).value!)).to.deep.equal(peer.pkiId)
    const failed = await one.comm.push(dataMessage(2), peer).catch((error: unknown) => error)
    expect(failed).to.have.property('code', 'COMM_UNREACHABLE')
    await spawn(own, Number(peer.endpoint.split(':')[1]))
    await one.comm.push(dataMessage(3), peer)
    await inbox.take(2)
    expect(inbox.sequences).to.deep.equal([1, 3])
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSigningIdentity } from '@heddle/msp'
import { expect } from 'chai'
import { Cleanup } from '../support/cleanup.ts'
import { CommNode } from '../support/comm-node.ts'
import { eventually } from '../support/eventually.ts'
import { peerDomain, peerOrganizationFolder } from '../support/fabric-config.ts'
import { fabricHome } from '../support/fabric-home.ts'
import { makeCrypto } from '../support/fabric-orderers.ts'
import { FabricPeer, type PeerIdentity } from '../support/fabric-peer.ts'
import { memberOf, membershipRequest, membershipResponse } from '../support/membership.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function peerIdentity(crypto: string, id: number): PeerIdentity {
  const folder = join(peerOrganizationFolder(crypto), 'peers', `peer${id}.${peerDomain}`)
  const tls = (file: string): string => join(folder, 'tls', file)
  return {
    mspId: 'Org1MSP',
    mspDir: join(folder, 'msp'),
    tls: { certificate: tls('server.crt'), key: tls('server.key'), roots: tls('ca.crt') },
  }
}

if (fabricHome !== undefined) {
  describe('comm against a real Fabric peer', function () {
    this.timeout(60_000)
    const home = fabricHome ?? ''
    let dir: string
    let crypto: string
    let peer: FabricPeer
    let node: CommNode
    const cleanup = new Cleanup()
    let theirs: { readonly pkiId: string; readonly serialized: string }

    before(async () => {
      dir = await mkdtemp(join(tmpdir(), 'heddle-interop-'))
      crypto = await makeCrypto(home, dir, 1)
      const identity = peerIdentity(crypto, 0)
      const { pkiId, serialized } = await loadSigningIdentity(identity.mspDir, 'Org1MSP')
      theirs = { pkiId: hex(pkiId), serialized: hex(serialized) }
    })

    after(() => rm(dir, { recursive: true, force: true }))

    beforeEach(async () => {
      node = await CommNode.start(peerIdentity(crypto, 1))
      cleanup.defer(() => node.stop())
    })

    afterEach(() => cleanup.run())

    async function startPeer(bootstrap?: string): Promise<void> {
      peer = await FabricPeer.start({
        home,
        dir: join(dir, bootstrap === undefined ? 'dialled' : 'dialling'),
        ...peerIdentity(crypto, 0),
        ...(bootstrap !== undefined && { bootstrap }),
      })
      cleanup.defer(() => peer.stop())
    }

    it('probes and authenticates it, and is answered on the connection that it dialled', async () => {
      await startPeer()
      const remote = { endpoint: peer.address }
      await node.comm.probe(remote)
      expect(hex(await node.comm.handshake(remote))).to.equal(theirs.serialized)
      await node.comm.push(membershipRequest(node, 7n), remote)
      expect(node.comm.connections().map(hex)).to.deep.equal([theirs.pkiId])
      const answer = await eventually('a membership response', () => node.find('memRes'))
      const { message, connection } = answer
      expect(message.nonce).to.equal(7n)
      expect(hex(connection.identity)).to.equal(theirs.serialized)
      const alive = message.content.case === 'memRes' ? message.content.value.alive : []
      expect(alive.map((each) => memberOf(each)?.endpoint)).to.include(peer.address)
      expect(node.comm.connections().map(hex)).to.deep.equal([theirs.pkiId])
    })

    it('keeps its one connection with it, whatever it is called, and loses no request', async () => {
      await startPeer()
      const pkiId = Buffer.from(theirs.pkiId, 'hex')
      const byName = peer.address.replace('127.0.0.1', 'localhost')
      const names = [
        { endpoint: peer.address, pkiId },
        { endpoint: peer.address },
        { endpoint: byName },
        // Another of its organisation, as if it had renewed its certificate.
        { endpoint: byName, pkiId: node.signer.pkiId },
        { endpoint: peer.address, pkiId },
      ]
      const dead = node.comm.presumedDead()
      for (const [index, name] of names.entries()) {
        await node.comm.push(membershipRequest(node, BigInt(index)), name)
        await eventually('an answer', () =>
          node.received.find(
            ({ message }) => message.content.case === 'memRes' && message.nonce === BigInt(index),
          ),
        )
        expect(node.comm.connections().map(hex)).to.deep.equal([theirs.pkiId])
      }
      await node.stop()
      expect((await dead.next()).done, 'nobody was lost').to.equal(true)
    })

    it('is dialled by it, authenticates it, and becomes a member in its view', async () => {
      await startPeer(node.comm.address)
      const request = await eventually('a membership request', () => node.find('memReq'))
      const { message, connection } = request
      expect(hex(connection.identity)).to.equal(theirs.serialized)
      expect(hex(connection.pkiId)).to.equal(theirs.pkiId)
      const self =
        message.content.case === 'memReq' ? message.content.value.selfInformation : undefined
      expect(memberOf(self)?.endpoint).to.equal(peer.address)
      node.mapper.verify(connection.pkiId, self!.signature, self!.payload)
      await request.respond(membershipResponse(node, message.nonce))
      const alive = await eventually('an alive message', () => node.find('aliveMsg'))
      const envelope = alive.envelope.message
      node.mapper.verify(connection.pkiId, envelope.signature, envelope.payload)
      expect(memberOf(envelope)?.endpoint).to.equal(peer.address)
    })
  })
}

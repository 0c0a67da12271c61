import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeCases } from '@heddle/deliver/testing'
import { openJournal, openLedger } from '@heddle/ledger'
import { journalCases, networkCases, signerCases, stateMachineCases } from '@heddle/pbft/testing'
import { PeerNetwork } from '../../src/node/peer-network.ts'
import { createValidatorVerifier } from '../../src/node/validator-verifier.ts'
import { channelId, testChannel, testMembers, transaction } from '../support/channel.ts'
import { openEngine } from '../support/engine.ts'
import { eventually } from '../support/eventually.ts'
import { startNode } from '../support/nodes.ts'
import type { StoreUnderTest } from '@heddle/deliver/testing'
import type { JournalSetup, NetworkSetup, PortCase } from '@heddle/pbft/testing'
import type { SignerSetup, StateMachineSetup } from '@heddle/pbft/testing'
import type { StateMachine } from '@heddle/pbft'
import type { TestEngine } from '../support/engine.ts'

function register(cases: readonly PortCase[]): void {
  for (const { name, run } of cases) it(name, run)
}

async function journalOnDisk(): Promise<JournalSetup> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-journal-'))
  let opened = await openJournal({ dir })
  return {
    journal: opened,
    reopen: async () => {
      await opened.close()
      return (opened = await openJournal({ dir }))
    },
    teardown: async () => {
      await opened.close()
      await rm(dir, { recursive: true })
    },
  }
}

async function enginesOnDisk(): Promise<StateMachineSetup> {
  const { client } = await testMembers()
  const opened = new Map<StateMachine, TestEngine>()
  const keep = (made: TestEngine): StateMachine => {
    opened.set(made.engine, made)
    return made.engine
  }
  return {
    create: async (source) => {
      const other = source && opened.get(source)
      return keep(await openEngine(other && { other }))
    },
    reopen: async (machine) => {
      const before = opened.get(machine)
      if (before === undefined) throw new TypeError('no engine of this setup')
      opened.delete(machine)
      return keep(await before.reopen())
    },
    requests: [
      transaction(client, { contract: 'accounts', input: '{"from":"alice","to":"b","amount":60}' }),
      transaction(client, { contract: 'accounts', input: '{"from":"alice","to":"c","amount":60}' }),
      transaction(client, { input: '{"text":"hello"}' }),
    ],
    invalid: transaction(client, { sign: (payload) => client.sign(payload.subarray(1)) }),
    teardown: async () => {
      for (const each of opened.values()) await each.close()
    },
  }
}

async function twoNodes(): Promise<NetworkSetup> {
  const { validators } = await testMembers()
  const [zero, one] = [await startNode(validators[0]!), await startNode(validators[1]!)]
  const peer = (replica: number, endpoint: string) => {
    const { pkiId } = validators[replica]!
    return { replica, endpoint, pkiId }
  }
  const sender = new PeerNetwork({ comm: zero, channelId, peers: [peer(1, one.address)] })
  const receiver = new PeerNetwork({ comm: one, channelId, peers: [peer(0, zero.address)] })
  const received: { from: number; bytes: Uint8Array }[] = []
  let sent = 0
  receiver.listen({
    consensus: (from, bytes) => void received.push({ from, bytes }),
    blockSignature: () => undefined,
  })
  return {
    port: {
      send: (to, bytes) => {
        if (to === 1) sent += 1
        return sender.consensus.send(to, bytes)
      },
    },
    received,
    settle: () => eventually('all messages arrived', () => received.length >= sent),
    teardown: async () => {
      receiver.close()
      for (const comm of [zero, one]) await comm.stop({ signal: AbortSignal.abort() })
    },
  }
}

async function certificates(): Promise<SignerSetup> {
  const { validators } = await testMembers()
  const { config } = await testChannel(4)
  return {
    signer: (replica) => validators[replica]!,
    verifier: createValidatorVerifier(config),
  }
}

async function ledgerOnDisk(): Promise<StoreUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-ledger-'))
  const ledger = await openLedger({ dir })
  return {
    ledger: { height: () => ledger.height, block: (number) => ledger.block(number) },
    sink: { put: ({ bytes }) => ledger.append({ block: bytes, txIds: [] }) },
    close: async () => {
      await ledger.close()
      await rm(dir, { recursive: true })
    },
  }
}

describe('the ports of who delivers, as the ledger meets them', () =>
  register(storeCases(ledgerOnDisk)))

describe('the ports of the consensus, as a validator meets them', function () {
  this.timeout(60_000)
  before(() => testMembers())
  describe('the journal of the ledger', () => register(journalCases(journalOnDisk)))
  describe('the engine over a ledger', () => register(stateMachineCases(enginesOnDisk)))
  describe('the peer network over two nodes with TLS', () => register(networkCases(twoNodes)))
  describe('certificates of the genesis block', () => register(signerCases(certificates)))
})

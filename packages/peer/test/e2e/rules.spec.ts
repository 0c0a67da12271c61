import { expect } from 'chai'
import { blockProofOf, signTransaction } from '@heddle/client'
import { createBroadcastClient, pullBlocks } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { loadSigningIdentity } from '@heddle/msp'
import { generateMaterial } from '../../src/network/crypto.ts'
import { signOffer } from '../../src/switch/offer.ts'
import { encodeSwitch } from '../../src/switch/switch.ts'
import { transactionCounts } from '../support/chain.ts'
import { eventually } from '../support/eventually.ts'
import { Sandbox } from '../support/heddle.ts'
import { Load } from '../support/load.ts'
import { Validators } from '../support/validators.ts'
import type { SigningIdentity } from '@heddle/msp'

/** Acknowledgements between two steps: several blocks. */
const some = 150

const offering = (rules: number) => ({ env: { CORE_LEDGER_RULES: String(rules) } })

describe('validators upgraded one by one under load', function () {
  this.timeout(300_000)
  const sandbox = new Sandbox()
  let network: Validators
  let load: Load
  /** First block under each rules in turn, as the validators tell. */
  const since: [rules: number, block: bigint][] = []

  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net', { batchSize: 100 })
    await network.startAll(network.names, offering(1))
    load = new Load(network.client, 'load', network.client.endpoints, { window: 200 })
    const { lineOf } = load
    // What the rejection of a line says that is no JSON depends on the rules.
    load.lineOf = (order) => (order % 4 === 0 ? `{bad: ${order}` : lineOf(order))
    await load.start()
  })
  after(async () => {
    try {
      await load.stop()
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  async function inForce(rules: number): Promise<void> {
    await eventually(`rules ${rules} are in force on all`, async () => {
      const statuses = await Promise.all(network.names.map((name) => network.status(name)))
      return statuses.every((status) => status.rules?.inForce === rules)
    })
    const [first, ...others] = await Promise.all(
      network.names.map(async (name) => (await network.status(name)).rules!.since),
    )
    expect(others).to.deep.equal([first, first, first])
    since.push([rules, first!])
  }

  /** Restarts one validator after the other with another number. */
  async function upgrade(rules: number): Promise<void> {
    for (const [at, name] of network.names.entries()) {
      const before = await network.status(name)
      expect(before.rules?.inForce, 'while not all offer it').not.to.equal(rules)
      const process = network.process(name)
      process.kill('SIGTERM')
      expect(await process.ended, process.stderr).to.equal(0)
      network.start(name, offering(rules))
      await network.ready()
      await load.more(some)
      const waitsFor = network.names.map((_, replica) => replica).slice(at + 1)
      if (waitsFor.length > 0)
        await eventually(`${name} waits for ${waitsFor.join()}`, async () => {
          const { missing } = (await network.status(name)).rules!
          return missing.join() === waitsFor.join()
        })
      if (at === 0) {
        const shown = await sandbox.run(['network', 'status', '--dir', network.dir])
        const names = waitsFor.map((replica) => network.names[replica]).join(', ')
        expect(shown.stdout).to.include(`(offers ${rules}, waits for ${names})`)
      }
    }
    await inForce(rules)
    await load.more(some)
  }

  /** Lines of a validator's log about rules that came into force, since it was started. */
  function told(name: string): unknown[] {
    const lines = network.process(name).json.filter(({ msg }) => msg === 'rules are in force')
    return lines.map(({ rules, fromBlock }) => [rules, BigInt(Number(fromBlock))])
  }

  it('begin by those that all offer', async () => {
    await inForce(1)
    await load.more(some)
  })

  it('go over to newer rules at one block, when the last of them offers them', async () => {
    await upgrade(2)
    for (const name of network.names) expect(told(name), name).to.deep.equal([since.at(-1)])
  })

  it('and back', async () => {
    await upgrade(1)
    for (const name of network.names) expect(told(name), name).to.deep.equal([since.at(-1)])
  })

  it('lose nothing, execute nothing twice and never part', async () => {
    await load.pause()
    expect(load.refused).to.deep.equal([])
    expect(load.acknowledged).to.have.length(load.sent)
    await network.level()
    const [name] = network.names
    const counts = await transactionCounts(network.client, network.described(name!).orderer)
    expect(load.acknowledged.filter(({ txId }) => counts.get(txId) !== 1)).to.deep.equal([])
  })

  it('sign in each block by which rules it was made', async () => {
    const changes: [number, bigint][] = []
    const { orderer } = network.described(network.names[3]!)
    const blocks = pullBlocks(
      { signer: network.client.signer, clock: systemClock },
      {
        channelId: network.client.channelId,
        endpoints: network.client.endpoints.filter(({ address }) => address === orderer),
        onlyGiven: true,
        configBlock: network.client.genesis,
        tls: network.client.tls,
        from: 1n,
      },
    )
    for await (const { message } of blocks) {
      const { rules } = blockProofOf(message)
      const number = rules === 0 ? 1 : rules
      if (changes.at(-1)?.[0] !== number) changes.push([number, message.header!.number])
    }
    // The network began by the newest rules, in block 1 or not at all.
    expect(changes.slice(-since.length)).to.deep.equal(since)
  })

  it('prove it all, while a restart of the network brings the newest rules again', async () => {
    await load.stop()
    await network.stop()
    const input = '{"id":"proof-1"}\n{"id":"proof-2"}\n'
    const args = ['network', 'up', '--exit', '--json', '--dir', network.dir, '--input', '-']
    const up = await sandbox.run(args, { input })
    expect(up.status, up.stderr).to.equal(0)
    expect(up.heddle.find('summary')?.['proof']).to.have.property('held', true)
  })
})

/** Hands a switch to the validators, as whoever has `signer`'s key. */
async function submitSwitch(
  network: Validators,
  signer: SigningIdentity,
  input: Uint8Array,
): Promise<unknown> {
  const { client, descriptor } = network
  const call = { channelId: descriptor.channelId, contract: 'rules', input }
  const { bytes } = await signTransaction(signer, systemClock, call)
  const broadcast = createBroadcastClient(
    { clock: systemClock },
    { endpoints: client.endpoints, tls: client.tls },
  )
  await broadcast.start()
  try {
    return await broadcast.submit(bytes)
  } finally {
    await broadcast.stop()
  }
}

describe('a switch of rules', function () {
  this.timeout(180_000)
  const sandbox = new Sandbox()
  let network: Validators
  let signers: SigningIdentity[]

  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net')
    const { validators } = await generateMaterial(`${network.dir}/crypto`, 4)
    signers = await Promise.all(
      validators.map(({ organization, node }) =>
        loadSigningIdentity(node.mspDir, organization.mspId),
      ),
    )
    await network.startAll()
  })
  after(() => sandbox.close())

  /** A switch that is signed with the keys of all validators. */
  function switchTo(rules: number, block: bigint): Uint8Array {
    const { channelId } = network.descriptor
    const terms = (replica: number) => ({ rules, replica, block })
    return encodeSwitch(
      signers.map((signer, replica) => signOffer(signer, channelId, terms(replica))),
    )
  }

  it('is refused from a client, however well it is signed', async () => {
    const { height } = await network.status(network.names[0]!)
    const failure: unknown = await submitSwitch(
      network,
      network.client.signer,
      switchTo(1, height),
    ).catch((error: unknown) => error)
    expect(failure).to.be.an('error')
    expect((failure as Error).message).to.match(/FORBIDDEN/)
    const { rules } = await network.status(network.names[0]!)
    expect(rules).to.include({ inForce: 2, offered: 2 })
  })

  it('comes though the primary is killed in the middle of it', async () => {
    const primary = await network.primary()
    const others = network.names.filter((name) => name !== primary)
    for (const name of [primary, ...others]) {
      const process = network.process(name)
      process.kill('SIGTERM')
      expect(await process.ended, process.stderr).to.equal(0)
      network.start(name, offering(1))
      if (name !== others.at(-1)) await network.ready()
    }
    const [backup] = others
    // Without load the switch may come before this one has looked again.
    await eventually('all offer the same', () =>
      network
        .process(backup!)
        .json.some(({ waitsFor, fromBlock }) => waitsFor === 'nobody' || fromBlock !== undefined),
    )
    await network.kill(await network.primary())
    const killed = network.names.find((name) => !network.process(name).running)!
    network.start(killed, offering(1))
    await eventually('rules 1 are in force on all', async () => {
      const statuses = await Promise.all(network.names.map((name) => network.status(name)))
      return statuses.every(({ rules }) => rules?.inForce === 1)
    })
    await network.level()
  })

  it('to rules that they do not know stops validators, which say so and do not start again', async () => {
    const { height } = await network.status(network.names[0]!)
    await submitSwitch(network, signers[0]!, switchTo(7, height)).catch(() => undefined)
    for (const name of network.names) {
      const { ended } = network.process(name)
      expect(await ended, name).to.equal(78)
      expect(network.process(name).stderr).to.match(
        /block \d+ needs rules 7; this software knows 1, 2[^]*code: PEER_UNKNOWN_RULES/,
      )
      const again = network.start(name)
      expect(await again.ended, name).to.equal(78)
      expect(again.stderr).to.match(/block \d+ needs rules 7/)
      expect(again.stderr).to.match(/try: install a version of heddle that knows rules 7/)
    }
  })
})

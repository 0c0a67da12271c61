import { create, encode, pbft } from '@heddle/proto'
import { expect } from 'chai'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { Member, frameOf } from '../support/member.ts'
import { linesAbout, seenBy } from '../support/seen.ts'
import { Validators } from '../support/validators.ts'
import type { ConditionName } from '../../src/node/condition-kinds.ts'

/** The operations guide names these tests: what an operator reads must be so. */
describe('a member of the network', function () {
  this.timeout(120_000)
  const others = ['validator0', 'validator1', 'validator2']
  const name = 'validator3'
  const sandbox = new Sandbox()
  let network: Validators
  let member: Member | undefined

  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net')
  })
  beforeEach(async () => {
    // New processes: whom they bar is forgotten with them.
    await network.startAll(others)
    member = await Member.open(network, name)
  })
  afterEach(async () => {
    await member?.close()
    for (const each of others) await network.kill(each)
  })
  after(async () => {
    try {
      await network.stop()
    } finally {
      await sandbox.close()
    }
  })

  /** It is barred by all, who say so in all four places, and who go on without it. */
  async function expectKnown(condition: ConditionName, reason: RegExp): Promise<void> {
    await seenBy(others, { condition, about: name, reason }, { network, sandbox })
    for (const each of others) {
      expect(linesAbout(network, each, condition, name), `lines of ${each}`).to.have.length(1)
      const barred = network.process(each).json.filter(({ msg }) => msg === 'peer barred')
      expect(barred, `${each} bars it`).to.have.length(1)
      expect(await network.healthy(each), each).to.equal(true)
    }
    const { status, stderr } = await sandbox.run(['submit', '--dir', network.dir], {
      input: recordLines(condition, 3),
    })
    expect(status, stderr).to.equal(0)
  }

  it('floods: each other validator says who, bars it, and goes on', async () => {
    const value = create(pbft.StatusSchema, { active: true })
    await member?.repeat(frameOf({ case: 'status', value }, 4096))
    await expectKnown('member-floods', /validator3 sends more messages \(by \w+\) than /)
  })

  it('lies: each other validator says who, bars it, and goes on', async () => {
    const viewChange = create(pbft.ViewChangeSchema, { view: 1n, replica: 3 })
    const body = encode(pbft.ViewChangeSchema, viewChange)
    const signature = member!.material.signer.sign(Buffer.from('something else'))
    const value = create(pbft.SignedSchema, { body, signature })
    await member?.repeat(frameOf({ case: 'viewChange', value }, 50))
    const reason = /validator3 sends more messages that are refused than /
    await expectKnown('member-lies', reason)
  })
})

import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { createReplica } from '../../../src/index.ts'
import type { Journal, Replica, ReplicaNotification } from '../../../src/index.ts'
import { markBytes, MarkedJournal } from '../../../src/out/marked-journal.ts'
import { MemoryJournal, MemoryStateMachine, TestKeys } from '../../../src/testing.ts'
import { Encoder } from '../../../src/wire/encoder.ts'
import { claim } from '../../support/cores.ts'
import { echoing } from '../../support/echoing.ts'
import { nextTurn } from '../../support/turns.ts'

const encoder = new Encoder()
const vote = (sequence: bigint): Uint8Array =>
  encoder.record({ type: 'prepared', ...claim(sequence, 'ab'.repeat(32)) })

/** A journal with its head, of which `count` records were appended. */
async function written(count: number): Promise<{ disk: MemoryJournal; mark: Uint8Array }> {
  const disk = new MemoryJournal()
  const journal = new MarkedJournal(disk)
  await journal.records()
  await journal.rewrite([])
  for (let n = 1; n <= count; n++) await journal.append([vote(BigInt(n))])
  return { disk, mark: journal.mark()! }
}

async function reopened(disk: Journal): Promise<MarkedJournal> {
  const journal = new MarkedJournal(disk)
  await journal.records()
  return journal
}

describe('MarkedJournal', () => {
  it('has no mark before it has a head', async () => {
    const journal = await reopened(new MemoryJournal())
    expect(journal.needsHead).to.equal(true)
    expect(journal.mark()).to.equal(undefined)
    await journal.rewrite([vote(1n)])
    expect(journal.needsHead).to.equal(false)
    expect(journal.mark()).to.have.length(markBytes)
  })

  it('says whether its file was taken away', async () => {
    const disk = Object.assign(new MemoryJournal(), { isLost: false })
    const journal = await reopened(disk)
    expect(journal.isLost).to.equal(false)
    disk.isLost = true
    expect(journal.isLost).to.equal(true)
  })

  it('takes a journal of before as it is, and gives it a head', async () => {
    const disk = new MemoryJournal()
    await disk.append([vote(1n), vote(2n)])
    const journal = new MarkedJournal(disk)
    expect(await journal.records()).to.have.length(2)
    expect(journal.whyIncomplete(undefined, true)).to.equal(undefined)
    await journal.rewrite([vote(2n)])
    const again = new MarkedJournal(disk)
    expect(await again.records()).to.have.length(1)
    expect(again.mark()).to.deep.equal(journal.mark())
  })

  it('is complete when it reaches the mark, and not one record before', async () => {
    const { disk, mark } = await written(3)
    expect((await reopened(disk)).whyIncomplete(mark, true)).to.equal(undefined)
    disk.lose(1)
    expect((await reopened(disk)).whyIncomplete(mark, true)).to.match(/ends after record 2, .* 3/)
  })

  it('counts over rewrites, of which nothing may be missing either', async () => {
    const { disk, mark } = await written(3)
    const journal = await reopened(disk)
    await journal.rewrite([vote(2n), vote(3n)])
    await journal.append([vote(4n)])
    const later = journal.mark()!
    const again = await reopened(disk)
    expect(again.mark()).to.deep.equal(later)
    expect(again.whyIncomplete(mark, true)).to.equal(undefined)
    disk.lose(1)
    expect((await reopened(disk)).whyIncomplete(later, true)).to.match(/ends after record 3/)
    expect((await reopened(disk)).whyIncomplete(mark, true)).to.equal(undefined)
    disk.lose(1)
    expect((await reopened(disk)).whyIncomplete(mark, true)).to.match(/a rewrite kept/)
  })

  it('is incomplete when it is another one, or empty, or says so itself', async () => {
    const { mark } = await written(1)
    const other = await reopened((await written(5)).disk)
    expect(other.whyIncomplete(mark, true)).to.match(/not the one with which/)
    const empty = await reopened(new MemoryJournal())
    expect(empty.whyIncomplete(mark, true)).to.match(/not the one with which/)
    expect(empty.whyIncomplete(undefined, true)).to.match(/empty/)
    expect(empty.whyIncomplete(undefined, false), 'a new replica').to.equal(undefined)
    const { disk } = await written(1)
    disk.lose(1, true)
    expect((await reopened(disk)).whyIncomplete(undefined, false)).to.match(/damaged/)
  })

  it('refuses a mark that is none', async () => {
    const { disk, mark } = await written(1)
    expect((await reopened(disk)).whyIncomplete(mark.subarray(1), true)).to.match(/is none/)
  })
})

/** One replica, number 1 of `n`, over a disk and a state that may have a history. */
function replicaOver(journal: MemoryJournal, stateMachine: MemoryStateMachine, n = 4) {
  const keys = new TestKeys()
  const events: ReplicaNotification[] = []
  const replica: Replica = createReplica(
    {
      network: echoing({ send: () => Promise.resolve() }, () => replica),
      ...{ journal, stateMachine, signer: keys.signer(1), verifier: keys },
      clock: new VirtualClock(),
      onEvent: (event) => events.push(event),
    },
    { id: n === 1 ? 0 : 1, n },
  )
  return { replica, events }
}

/** A disk and a state after some requests, of a replica that was alone. */
async function history(requests: number) {
  const [journal, machine] = [new MemoryJournal(), new MemoryStateMachine()]
  const { replica } = replicaOver(journal, machine, 1)
  await replica.start()
  for (let i = 0; i < requests; i++) await replica.submit(Buffer.from(`request ${i}`))
  await replica.stop()
  return { journal, machine }
}

describe('Replica: a journal that is not the one of its state', () => {
  it('votes as ever with its own', async () => {
    const { journal, machine } = await history(3)
    const { replica, events } = replicaOver(journal, machine)
    await replica.start()
    await nextTurn()
    expect(replica.status().notVoting).to.equal(undefined)
    expect(events.filter(({ type }) => type === 'voting')).to.deep.equal([])
    await replica.stop()
  })

  const losses: Record<string, (journal: MemoryJournal) => void | Promise<void>> = {
    'was deleted': (journal) => journal.lose(),
    'lacks its last record': (journal) => journal.lose(1),
    'was damaged': (journal) => journal.lose(0, true),
    'is that of another': async (journal) => {
      const other = await history(9)
      await journal.rewrite(await other.journal.records())
    },
  }
  for (const [what, lose] of Object.entries(losses))
    it(`says that it does not vote, and why, when it ${what}; and again after a restart`, async () => {
      const { journal, machine } = await history(3)
      await lose(journal)
      for (const life of ['first', 'second']) {
        const { replica, events } = replicaOver(journal, machine)
        await replica.start()
        await nextTurn()
        const { notVoting } = replica.status()
        expect(notVoting, life).to.match(
          /journal.*: it does not vote before a quorum of the others/,
        )
        expect(events.at(0)).to.deep.equal({ type: 'voting', isVoting: false, reason: notVoting })
        await replica.stop()
      }
    })

  it('does not vote when the journal ends more than a window before its state', async () => {
    for (const [executed, isVoting] of [
      [40, true],
      [41, false],
    ] as const) {
      const [journal, stateMachine] = [new MemoryJournal(), new MemoryStateMachine()]
      for (let n = 1n; n <= executed; n++) await stateMachine.execute(n, [])
      await journal.append([vote(1n)])
      const { replica } = replicaOver(journal, stateMachine)
      await replica.start()
      await nextTurn()
      expect(replica.status().notVoting === undefined, `${executed}`).to.equal(isVoting)
      await replica.stop()
    }
  })

  it('goes on when it is alone, whatever was lost', async () => {
    const { journal, machine } = await history(57)
    journal.lose()
    const { replica } = replicaOver(journal, machine, 1)
    await replica.start()
    for (let i = 0; i < 50; i++) await replica.submit(Buffer.from(`more ${i}`))
    expect(replica.status()).to.include({ lastExecuted: 107n, notVoting: undefined })
    await replica.stop()
    const again = replicaOver(journal, machine, 1).replica
    await again.start()
    await again.submit(Buffer.from('after a restart'))
    await again.stop()
  })
})

import { expect } from 'chai'
import { maxStatusAnswers } from '../../src/core/allowance.ts'
import type { Status } from '../../src/core/messages.ts'
import type { ReplicaEffect } from '../../src/core/protocol.ts'
import {
  batchOf,
  claim,
  Driver,
  newView,
  only,
  rejectCodes,
  sendsTo,
  viewChange,
  unheard,
} from '../support/cores.ts'

const a = batchOf('a')
const b = batchOf('b')
const status: Status = {
  ...{ type: 'status' as const, view: 0n, active: true, lastExecuted: 0n, lowWatermark: 0n },
  ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: 0n },
  ...unheard,
}

/** Backup 1, which holds `a` at 1. */
function holder(options = {}): Driver {
  const driver = new Driver({ id: 1, ...options })
  driver.step({ type: 'start' })
  driver.prePrepare(1n, a)
  return driver
}

const ask = (driver: Driver, digest = a.digest): ReplicaEffect[] =>
  driver.receive(3, { type: 'fetch-batch', sequence: 1n, digest })

describe('fetching batches', () => {
  it('is answered maxFetchAnswers times in an interval', () => {
    const driver = holder({ maxFetchAnswers: 5 })
    for (let i = 0; i < 5; i++) expect(sendsTo(ask(driver), 3, 'batch')).to.have.length(1)
    expect(rejectCodes(ask(driver))).to.deep.equal(['PBFT_TOO_MANY_REQUESTS'])
    driver.fire('status')
    expect(sendsTo(ask(driver), 3, 'batch'), 'in the next one').to.have.length(1)
  })

  it('is answered until maxFetchBytes were sent in an interval', () => {
    const driver = holder({ maxFetchBytes: 2 })
    for (let i = 0; i < 2; i++) expect(sendsTo(ask(driver), 3, 'batch')).to.have.length(1)
    expect(rejectCodes(ask(driver))).to.deep.equal(['PBFT_TOO_MANY_REQUESTS'])
  })

  it('takes nothing away from the answers to status messages, nor they from it', () => {
    const driver = holder({ maxFetchAnswers: 2 })
    for (let i = 0; i < 10; i++) ask(driver)
    for (let i = 0; i < maxStatusAnswers; i++)
      expect(rejectCodes(driver.receive(3, status)), `status ${i}`).to.deep.equal([])
    expect(rejectCodes(driver.receive(3, status))).to.deep.equal(['PBFT_TOO_MANY_REQUESTS'])
    const other = holder()
    for (let i = 0; i < 100; i++) other.receive(3, status)
    expect(sendsTo(ask(other), 3, 'batch')).to.have.length(1)
  })

  it('what one asks for is not taken from another', () => {
    const driver = holder({ maxFetchAnswers: 1 })
    for (let i = 0; i < 3; i++) ask(driver)
    const other = driver.receive(2, { type: 'fetch-batch', sequence: 1n, digest: a.digest })
    expect(sendsTo(other, 2, 'batch')).to.have.length(1)
  })
})

describe('batches fetched for a view that never began', () => {
  const prepared = [claim(1n, a), claim(2n, b)]
  const changes = (view: bigint, claims = prepared) =>
    [0, 1, 2].map((id) => viewChange(id, view, { prepared: claims }))
  const fetchesOf = (effects: readonly ReplicaEffect[]): bigint[] =>
    only(effects, 'send').flatMap(({ message }) =>
      message.type === 'fetch-batch' ? [message.sequence] : [],
    )

  /** Replica 3, which fetches what view 1 begins with and has got `a`; then the others go on. */
  function pending(): Driver {
    const driver = new Driver({ id: 3 })
    driver.step({ type: 'start' })
    driver.step({ type: 'suspect', view: 0n })
    driver.receive(1, newView(1n, changes(1n)))
    driver.receive(1, { type: 'batch', batch: a })
    for (const from of [1, 2]) driver.receive(from, viewChange(from, 2n, { prepared }))
    expect(driver.core.inspect()).to.include({ view: 2n, active: false })
    return driver
  }

  it('are there for the next one, which asks for the rest only', () => {
    const driver = pending()
    expect(fetchesOf(driver.receive(2, newView(2n, changes(2n))))).to.not.include(1n)
    driver.receive(2, { type: 'batch', batch: b })
    expect(driver.core.inspect()).to.include({ view: 2n, active: true })
  })

  it('are taken also when they come between the two', () => {
    const driver = pending()
    driver.receive(0, { type: 'batch', batch: b })
    expect(fetchesOf(driver.receive(2, newView(2n, changes(2n))))).to.deep.equal([])
    expect(driver.core.inspect()).to.include({ view: 2n, active: true })
  })

  it('are forgotten when the next one does not name them', () => {
    const driver = pending()
    driver.receive(2, newView(2n, changes(2n, [claim(2n, b)])))
    driver.receive(2, { type: 'batch', batch: b })
    expect(driver.core.inspect(), 'view 2 begins without a').to.include({ view: 2n, active: true })
    driver.step({ type: 'suspect', view: 2n })
    const next = driver.receive(0, newView(3n, changes(3n, [claim(1n, a, 1n)])))
    expect(fetchesOf(next)).to.include(1n)
  })
})

describe('an asynchronous signer', () => {
  it('gives the new-view of a view that was overtaken by a later one: it is not entered', () => {
    const { core } = new Driver({ id: 1 })
    core.step({ type: 'suspect', view: 0n })
    core.step({ type: 'signed', message: viewChange(1, 1n) })
    const signs = [2, 3].flatMap((from) =>
      only(core.step({ type: 'message', from, message: viewChange(from, 1n) }), 'sign'),
    )
    expect(signs).to.have.length(1)
    const prepared = [claim(1n, a)]
    const later = newView(
      2n,
      [0, 2, 3].map((id) => viewChange(id, 2n, { prepared })),
    )
    core.step({ type: 'message', from: 2, message: later })
    const own = newView(
      1n,
      [1, 2, 3].map((id) => viewChange(id, 1n)),
    )
    expect(core.step({ type: 'signed', message: own })).to.deep.equal([])
    expect(core.inspect()).to.include({ view: 1n, active: false })
    core.step({ type: 'message', from: 0, message: { type: 'batch', batch: a } })
    expect(core.inspect(), 'the later one begins').to.include({ view: 2n, active: true })
  })

  it('gives a new-view that nobody asked for: it is not entered', () => {
    const { core } = new Driver({ id: 1 })
    core.step({ type: 'suspect', view: 0n })
    core.step({ type: 'signed', message: newView(1n, []) })
    expect(core.inspect()).to.include({ view: 1n, active: false })
  })
})

import { expect } from 'chai'
import type { Clock, ClockTimer } from '@heddle/interface'
import {
  ContentDigester,
  digestBurstMs,
  digestMsPerSecond,
  sliceEntries,
} from '../../../src/state/content-digest.ts'
import { entryName } from '../../../src/state/state-keys.ts'
import { MemoryKeyValues } from '../../../src/testing/memory-key-values.ts'
import type { Savepoint } from '../../../src/ports.ts'
import type { KeyValueSnapshot } from '../../../src/storage/storage.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A clock that a test moves; unless it is held, a pause is over in the next turn of the event loop. */
class SteppedClock implements Clock {
  time = 0
  isHeld = false
  pauses = 0

  now(): number {
    return this.time
  }

  wallTime(): number {
    return this.time
  }

  schedule(delayMs: number, callback: () => void): ClockTimer {
    this.pauses += 1
    const end = (): void => {
      this.pauses -= 1
      this.time += delayMs
      callback()
    }
    const handle = this.isHeld ? undefined : setImmediate(end)
    return {
      cancel: () => {
        clearImmediate(handle)
        this.pauses -= 1
      },
    }
  }
}

/** A store whose slices take time. */
class SlowStore extends MemoryKeyValues {
  slices = 0
  open = 0
  readonly #onSlice: () => void

  constructor(onSlice: () => void, entries: number) {
    super()
    this.#onSlice = onSlice
    const key = (index: number): Buffer => Buffer.from(entryName('a', String(index)))
    const changes = Array.from({ length: entries }, (_, at) => ({ key: key(at), value: key(at) }))
    this.commit(changes)
  }

  override snapshot(): KeyValueSnapshot {
    const snapshot = super.snapshot()
    this.open += 1
    return {
      range: (from, to, limit) => {
        this.slices += 1
        this.#onSlice()
        return snapshot.range(from, to, limit)
      },
      close: () => void (this.open -= 1),
    }
  }
}

describe('ContentDigester', () => {
  const savepoint: Savepoint = { height: 1n, sequence: 1n, digest: new Uint8Array(32) }

  function make(slices: number, msPerSlice = 0) {
    const clock = new SteppedClock()
    const store = new SlowStore(() => (clock.time += msPerSlice), slices * sliceEntries - 1)
    let at = savepoint
    const digester = new ContentDigester({ store, clock, settle: () => at })
    const move = (): void => void (at = { ...savepoint, height: at.height + 1n })
    return { clock, store, digester, move }
  }

  it('reads the store once for all who ask meanwhile, and not again before something has changed', async () => {
    const { store, digester, move } = make(3)
    const asked = [digester.digest(), digester.digest(), digester.digest()]
    const digests = await Promise.all(asked)
    expect(new Set(digests.map(({ digest }) => Buffer.from(digest).toString('hex'))).size).to.equal(
      1,
    )
    await digester.digest()
    expect(store.slices).to.equal(3)
    move()
    await digester.digest()
    expect(store.slices).to.equal(6)
    expect(store.open).to.equal(0)
  })

  it('lets others have a turn after each slice', async () => {
    const { store, digester } = make(3)
    const digest = digester.digest()
    await Promise.resolve()
    expect(store.slices).to.equal(1)
    await digest
    expect(store.slices).to.equal(3)
  })

  it('takes no more than digestMsPerSecond in the long run, once the burst is used up', async () => {
    const inBurst = make(digestBurstMs / 10, 10)
    await inBurst.digester.digest()
    expect(inBurst.clock.time, 'without a pause').to.equal(digestBurstMs)
    const beyond = make(digestBurstMs / 10 + 20, 10)
    await beyond.digester.digest()
    // All but the last slice, after which nothing waits.
    expect(beyond.clock.time).to.be.at.least((190 / digestMsPerSecond) * 1_000)
  })

  it('ends at close, with LEDGER_CLOSED for who waits, and lets go of the store', async () => {
    const { clock, store, digester } = make(100, 600)
    clock.isHeld = true
    const outcome = digester.digest().catch((error: unknown) => error)
    await turn()
    expect(clock.pauses).to.equal(1)
    await digester.close()
    expect(await outcome).to.have.property('code', 'LEDGER_CLOSED')
    expect(store.open).to.equal(0)
    expect(clock.pauses).to.equal(0)
  })
})

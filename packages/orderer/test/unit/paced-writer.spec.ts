import { expect } from 'chai'
import { PacedWriter, maxPacedBytes } from '../../src/paced-writer.ts'

describe('PacedWriter', () => {
  /** A writer, and what ends each of its writes. */
  function setup(): { writer: PacedWriter; ends: (() => void)[] } {
    const ends: (() => void)[] = []
    const write = (_bytes: Buffer, end: () => void): boolean => ends.push(end) > 0
    return { writer: new PacedWriter({ write }), ends }
  }

  async function isOpen(writer: PacedWriter): Promise<boolean> {
    let open = false
    void writer.room(new AbortController().signal).then(() => (open = true))
    await new Promise((resolve) => setImmediate(resolve))
    return open
  }

  it('has room for the next while less than maxPacedBytes wait, and none at the bound', async () => {
    const { writer, ends } = setup()
    expect(writer.write(Buffer.alloc(maxPacedBytes - 1))).to.equal(true)
    expect(await isOpen(writer)).to.equal(true)
    expect(writer.write(Buffer.alloc(1))).to.equal(false)
    expect(await isOpen(writer)).to.equal(false)
    ends[1]?.()
    expect(await isOpen(writer)).to.equal(true)
  })

  it('lets a longer answer go alone, and whoever waits go on when it has gone', async () => {
    const { writer, ends } = setup()
    expect(writer.write(Buffer.alloc(3 * maxPacedBytes))).to.equal(false)
    let open = false
    const waiting = writer.room(new AbortController().signal).then(() => (open = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(open).to.equal(false)
    ends[0]?.()
    await waiting
    expect(writer.write(Buffer.alloc(maxPacedBytes - 1))).to.equal(true)
  })

  it('holds up nobody whose call is over', async () => {
    const { writer } = setup()
    writer.write(Buffer.alloc(maxPacedBytes))
    const over = new AbortController()
    const waiting = writer.room(over.signal)
    over.abort()
    await waiting
    await writer.room(over.signal)
  })
})

import { expect } from 'chai'
import { MessageMeter, partBytes } from '../../src/message-meter.ts'

/** A message of gRPC of so many bytes. */
function message(bytes: number): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes, 1)
  return Buffer.concat([prefix, Buffer.alloc(bytes, 1)])
}

describe('the meter of messages', () => {
  it('holds nothing of messages that came whole, however they were cut', () => {
    const all = Buffer.concat([message(0), message(10), message(300), message(1)])
    for (let size = 1; size <= all.length; size++) {
      const meter = new MessageMeter()
      for (let at = 0; at < all.length; at += size) meter.take(all.subarray(at, at + size))
      expect([meter.messages, meter.held], `parts of ${size}`).to.deep.equal([4, 0])
    }
  })

  it('holds what came of a message that is not whole, and so much for each part', () => {
    const meter = new MessageMeter()
    meter.take(Buffer.concat([message(7), message(100).subarray(0, 3)]))
    expect([meter.messages, meter.held]).to.deep.equal([1, 3 + partBytes])
    meter.take(message(100).subarray(3, 104))
    expect([meter.messages, meter.held]).to.deep.equal([1, 104 + 2 * partBytes])
    meter.take(Buffer.alloc(1))
    expect([meter.messages, meter.held]).to.deep.equal([2, 0])
  })
})

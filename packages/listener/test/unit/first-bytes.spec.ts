import { expect } from 'chai'
import { judgeHttp2, judgeTls } from '../../src/first-bytes.ts'

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** The header of a frame. */
function header(length: number, type = 4, flags = 0, stream = 0): Buffer {
  const bytes = Buffer.alloc(9)
  bytes.writeUIntBE(length, 0, 3)
  bytes.writeUInt8(type, 3)
  bytes.writeUInt8(flags, 4)
  bytes.writeUInt32BE(stream, 5)
  return bytes
}

describe('judgeTls', () => {
  it('knows a handshake by its first byte, and names what people send instead', () => {
    expect(judgeTls(Buffer.from([0x16]))).to.equal('good')
    const reasons = ['G', 'GET / HTTP/1.1', 'OPTIONS * HTTP/1.1', preface, 'x'].map(
      (text) => (judgeTls(Buffer.from(text)) as { reason: string }).reason,
    )
    expect(reasons).to.deep.equal([
      'what came is not TLS',
      'HTTP/1 without TLS: this port wants TLS and HTTP/2',
      'HTTP/1 without TLS: this port wants TLS and HTTP/2',
      'HTTP/2 without TLS: this port wants TLS',
      'what came is not TLS',
    ])
  })
})

describe('judgeHttp2', () => {
  const begin = (frame: Buffer): unknown => judgeHttp2(Buffer.concat([preface, frame]))
  const noSettings = { reason: 'the HTTP/2 inside TLS does not begin with its settings' }

  it('waits for the preface and the header of the first frame, and no longer', () => {
    const right = Buffer.concat([preface, header(0)])
    for (let length = 1; length < right.length; length += 1) {
      expect(judgeHttp2(right.subarray(0, length)), `${length} bytes`).to.equal('more')
    }
    expect(judgeHttp2(right)).to.equal('good')
    expect(judgeHttp2(Buffer.concat([right, Buffer.alloc(1000, 0xff)]))).to.equal('good')
  })

  it('sees each wrong byte of the preface as soon as it is there', () => {
    for (let index = 0; index < preface.length; index += 1) {
      const wrong = Buffer.from(preface.subarray(0, index + 1))
      wrong[index] = 0
      expect(judgeHttp2(wrong), `byte ${index}`).to.have.property('reason')
    }
  })

  it('takes SETTINGS of whole entries up to 16 KiB, on stream 0', () => {
    expect(begin(header(6))).to.equal('good')
    expect(begin(header(16_380))).to.equal('good')
    for (const frame of [
      header(5),
      header(16_386),
      header(0, 4, 1),
      header(0, 4, 0, 1),
      header(8, 6),
      Buffer.alloc(9, 0xff),
    ]) {
      expect(begin(frame), frame.toString('hex')).to.deep.equal(noSettings)
    }
  })
})

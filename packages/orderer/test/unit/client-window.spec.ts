import { expect } from 'chai'
import { ClientWindows } from '../../src/client-window.ts'

describe('ClientWindows', () => {
  const options = { broadcastWindowPerClient: 2, broadcastWindowBytesPerClient: 100 }
  const stream = { pause: () => undefined, readOn: () => undefined }

  it('keep the window of a client while it has a stream or an envelope, and forget it then', () => {
    const windows = new ClientWindows(options)
    const window = windows.of('client')
    window.open(stream)
    window.take(1)
    window.close(stream)
    expect(windows.of('client'), 'an envelope is under way').to.equal(window)
    window.open(stream)
    window.release(1)
    expect(windows.of('client'), 'a stream is open').to.equal(window)
    window.close(stream)
    expect(windows.of('client')).not.to.equal(window)
  })
})

import { expect } from 'chai'
import { orGoOn } from '../../src/cli/network-up.ts'
import { PeerError } from '../../src/errors.ts'
import type { PeerErrorCode } from '../../src/errors.ts'

describe('a run in `network up` that cannot be proved', () => {
  const failing = (code: PeerErrorCode) => Promise.reject<number>(new PeerError(code, 'it failed'))
  const noted: string[] = []
  const output = { note: (text: string) => void noted.push(text) }
  const codeOf = (run: Promise<number>): Promise<unknown> =>
    run.catch((error: unknown) => (error as PeerError).code)

  it('leaves the network running, with status 1 and the reason', async () => {
    expect(await orGoOn(failing('PEER_PROOF_FAILED'), { options: {}, output })).to.equal(1)
    expect(noted.join('')).to.include('it failed').and.to.include('PEER_PROOF_FAILED')
  })

  it('ends it with --exit, as every other failure does', async () => {
    const exiting = { options: { exit: true }, output } as const
    expect(await codeOf(orGoOn(failing('PEER_PROOF_FAILED'), exiting))).to.equal(
      'PEER_PROOF_FAILED',
    )
    const ended = orGoOn(failing('PEER_NETWORK_UNAVAILABLE'), { options: {}, output })
    expect(await codeOf(ended)).to.equal('PEER_NETWORK_UNAVAILABLE')
  })
})

import { createHash } from 'node:crypto'
import { Metadata } from '@grpc/grpc-js'
import { systemClock } from '@heddle/events'
import { common } from '@heddle/proto'
import { expect } from 'chai'
import { readerMetadataKey } from '../../src/index.ts'
import { ReaderCalls, maxReaders } from '../../src/reader-calls.ts'
import { channelId, envelope, organization } from '../harness.ts'
import type { SigningIdentity } from '@heddle/msp'
import type { ServiceContext } from '../../src/service-context.ts'

describe('ReaderCalls', function () {
  this.timeout(30_000) // so many signatures take a while

  it('remembers maxReaders client certificates; with one more, the one judged longest ago is judged anew', async () => {
    const signer = await (await organization()).identity('client', 'client')
    const judged: string[] = []
    let current = ''
    const authorize = (): Promise<object> => {
      judged.push(current)
      return Promise.resolve({})
    }
    const chain = { channelId, configSequence: 0n, authorize }
    const options = { timeWindowMs: 900_000, statuses: {}, tls: { requireClientCertificate: true } }
    // Told apart by their addresses here.
    const callerOf = (call: { getPeer(): string }) => ({ client: call.getPeer() })
    const context = { chains: () => chain, clock: systemClock, options, callerOf }
    const calls = new ReaderCalls(context as unknown as ServiceContext)
    const callAs = async (name: string): Promise<void> => {
      current = name
      expect(await answerTo(calls, name, signer), name).to.equal('passed on')
    }
    const names = [...Array(maxReaders).keys()].map((index) => `client ${index}`)
    for (const name of [...names, ...names]) await callAs(name)
    expect(judged).to.deep.equal(names)
    await callAs('one more')
    for (const name of names.slice(1)) await callAs(name)
    expect(judged).to.deep.equal([...names, 'one more'])
    await callAs(names[0]!)
    expect(judged.at(-1)).to.equal(names[0])
  })
})

const envelopes = new Map<string, Buffer>()

/** What becomes of a call over a connection with a TLS certificate of its own. */
function answerTo(calls: ReaderCalls, name: string, signer: SigningIdentity): Promise<string> {
  const raw = Buffer.from(name)
  const tlsCertHash = createHash('sha256').update(raw).digest()
  const bytes =
    envelopes.get(name) ??
    envelope(signer, { type: common.HeaderType.DELIVER_SEEK_INFO, tlsCertHash })
  envelopes.set(name, bytes)
  const metadata = new Metadata()
  metadata.set(readerMetadataKey, bytes)
  return new Promise((resolve) => {
    const call = {
      getPeer: () => name,
      getAuthContext: () => ({ sslPeerCertificate: { raw } }),
      start: (listener: { onReceiveMetadata(metadata: Metadata): void }) =>
        listener.onReceiveMetadata(metadata),
      sendStatus: ({ details }: { details: string }) => resolve(details),
    }
    const interceptor = calls.interceptor(new Map([['/t.T/One', channelId]]))
    const method = { path: '/t.T/One' }
    const intercepted = interceptor(method as never, call as never)
    intercepted.start({ onReceiveMetadata: () => resolve('passed on') } as never)
  })
}

import { createComm } from '@heddle/comm'
import { systemClock } from '@heddle/events'
import { createIdentityMapper } from '@heddle/identity'
import { createMessageCryptoService } from '@heddle/msp'
import { channelId, testChannel, testMembers } from './channel.ts'
import type { Comm } from '@heddle/comm'
import type { VirtualClock } from '@heddle/events/testing'
import type { SigningIdentity } from '@heddle/msp'

/** Nothing may hang on how busy the machine is. */
const patient = { dialTimeoutMs: 25_000, connTimeoutMs: 25_000, setupTimeoutMs: 60_000 }

/**
 * A node of the gossip layer that belongs to the test channel, with TLS on a free loopback port.
 *
 * @param clock - a virtual one: then it pings nobody, because answers take real time
 */
export async function startNode(
  signer: SigningIdentity,
  port = 0,
  clock?: VirtualClock,
): Promise<Comm> {
  const { ordering, clients } = await testMembers()
  const { config } = await testChannel(4)
  const organization = signer.mspId === ordering.mspId ? ordering : clients
  const readers = config.rules.policy('/Channel/Readers')
  const crypto = createMessageCryptoService({
    localMsp: organization.msp,
    signer,
    channelMsps: new Map([[channelId, { msps: config.rules.msps, readers }]]),
  })
  const mapper = createIdentityMapper(
    { crypto, advisor: crypto, clock: clock ?? systemClock },
    { selfIdentity: signer.serialized },
  )
  if (clock !== undefined) await mapper.start()
  const tls = await organization.tls('node')
  const comm = createComm(
    { mapper, clock: clock ?? systemClock },
    {
      listen: { host: '127.0.0.1', port },
      tls: {
        certificate: tls.certificate,
        key: tls.key,
        roots: [ordering.tlsCa.certificate, clients.tlsCa.certificate],
      },
      identity: signer.serialized,
      redialDelayMs: 1,
      ...(clock === undefined ? patient : { pingAfterMs: 2 ** 31 - 1 }),
    },
  )
  await comm.start()
  return comm
}

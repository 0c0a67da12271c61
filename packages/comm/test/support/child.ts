// A node in a process of its own: answers every data message, and acknowledges it. Tells its parent
// where it listens; ends with it.
import { createComm } from '../../src/index.ts'
import { createIdentityMapper } from '@heddle/identity'
import { systemClock } from '@heddle/events'
import { createMessageCryptoService, mspFromConfig } from '@heddle/msp'
import { decode, msp } from '@heddle/proto'

/** What the parent sends: an MSPConfig in hex, the rest PEM texts. */
interface Material {
  readonly config: string
  readonly tlsCa: string
  readonly certificate: string
  readonly key: string
  readonly tls: { readonly certificate: string; readonly key: string }
  readonly port: number
}

process.on('disconnect', () => process.exit(0))
process.on('message', (material: Material) => void serve(material))

async function serve({ config, tlsCa, certificate, key, tls, port }: Material): Promise<void> {
  const localMsp = mspFromConfig(decode(msp.MSPConfigSchema, Buffer.from(config, 'hex')))
  const signer = localMsp.signingIdentity(certificate, key)
  const crypto = createMessageCryptoService({ localMsp, signer })
  const mapper = createIdentityMapper(
    { crypto, advisor: crypto, clock: systemClock },
    { selfIdentity: signer.serialized },
  )
  const comm = createComm(
    { mapper },
    {
      listen: { host: 'localhost', port },
      tls: { ...tls, roots: [tlsCa] },
      identity: signer.serialized,
    },
  )
  comm.onMessage(
    () => true,
    async (message) => {
      await message.ack()
      await message.respond(message.message)
    },
  )
  await comm.start()
  process.send?.({ endpoint: comm.address, pkiId: Buffer.from(comm.pkiId).toString('hex') })
}

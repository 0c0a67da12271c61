// Feeds an explorer or an audit: a line of JSON for each transaction of a channel, exactly once,
// until Ctrl-C; continues where it was.
//   feed.ts NETWORK OUTPUT
// NETWORK is the folder of a `heddle network up`, OUTPUT a folder that exists. Of NETWORK it takes the
// genesis block and the client's certificates, no more: the genesis block names the channel, its
// endpoints with their TLS authorities, and whose signatures a block needs. That is all it trusts.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { channelConfigOf } from '@heddle/channel'
import { createDeliverService } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import type { Logger } from '@heddle/interface'
import { loadSigningIdentity } from '@heddle/msp'
import { common, decode } from '@heddle/proto'
import { FeedFile } from './feed-file.ts'

interface Network {
  readonly genesis: string
  readonly client: Record<'mspId' | 'msp' | 'tlsCertificate' | 'tlsKey', string>
}

const [network = '.heddle', output = '.'] = process.argv.slice(2)
const at = (path: string): string => join(network, path)
const { genesis, client } = JSON.parse(await readFile(at('network.json'), 'utf8')) as Network
const configBlock = await readFile(at(genesis))
const { channelId } = channelConfigOf(decode(common.BlockSchema, configBlock))

const say = (level: string): Logger['info'] => {
  return (event, fields, error) =>
    console.error(level, event, fields ?? {}, error instanceof Error ? error.message : '')
}
const logger: Logger = {
  debug: () => undefined,
  info: say('info'),
  warn: say('warn'),
  error: say('error'),
  child: () => logger,
}

const feed = await FeedFile.open(output)
const service = createDeliverService(
  {
    signer: await loadSigningIdentity(at(client.msp), client.mspId),
    clock: systemClock,
    logger,
    ledger: feed,
    sink: feed,
  },
  {
    channelId,
    configBlock,
    endpoints: [], // the genesis block names them
    tls: {
      certificate: await readFile(at(client.tlsCertificate)),
      key: await readFile(at(client.tlsKey)),
    },
  },
)
await service.start()

// Says where it is, as long as it runs.
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopping.abort())
let told: bigint | undefined
while (!stopping.signal.aborted) {
  const { next, endpoint } = service.status()
  if (next !== told) console.log(JSON.stringify({ height: Number(next), endpoint }))
  told = next
  await sleep(50, undefined, { signal: stopping.signal }).catch(() => undefined)
}
await service.stop()
await feed.close()

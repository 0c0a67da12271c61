import { addressToText } from '../config/setting.ts'
import { listenKeys } from '../config/relations.ts'
import { PeerError } from '../errors.ts'
import { portHolder } from '../network/port-holder.ts'
import { listenError, listenRefusal } from '../network/ports.ts'
import { dataHolder } from '../node/storage.ts'
import { failed, ok, warn } from './finding.ts'
import type { Config } from '../config/settings.ts'
import type { Finding, Subject } from './finding.ts'

/** An address where a validator listens: free, its own already, or why it cannot have it. */
type Listener = { readonly where: string } & (
  { readonly is: 'free' | 'its own' } | { readonly is: 'refused'; readonly error: PeerError }
)

/** @param own - the process that has the data folder of the validator open, if one has */
async function lookAt(
  config: Config,
  key: (typeof listenKeys)[number],
  own: number | undefined,
): Promise<Listener> {
  const address = config[key]
  const where = addressToText(address)
  const refusal = await listenRefusal(address)
  if (refusal === undefined) return { where, is: 'free' }
  const error = listenError(address, key, refusal)
  if (error.code !== 'PEER_PORT_BUSY') return { where, is: 'refused', error }
  const holder = await portHolder(address.port)
  // Where the system does not tell, it is the process that runs with this configuration.
  if (own !== undefined && (holder ?? { pid: own }).pid === own) return { where, is: 'its own' }
  if (holder === undefined) return { where, is: 'refused', error }
  const { message, code, cure = '' } = error
  const who = `${message}: process ${holder.pid}, ${holder.name}`
  return { where, is: 'refused', error: new PeerError(code, who, { cure }) }
}

/** Whether the ports of a validator are free, or held by itself; otherwise who holds them. */
export async function portFindings(
  about: string | undefined,
  config: Config,
): Promise<readonly Finding[]> {
  const subject: Subject = { check: 'ports', about }
  // What is wrong with the folder is said of the folder.
  const own = await dataHolder(config['peer.fileSystemPath']).catch(() => undefined)
  const keys = listenKeys.filter((key) => config[key].port !== 0)
  const all = await Promise.all(keys.map((key) => lookAt(config, key, own)))
  const refused = all.flatMap((each) =>
    each.is === 'refused' ? [failed(subject, each.error)] : [],
  )
  const named = (is: Listener['is']): string =>
    all.flatMap((each) => (each.is === is ? [each.where] : [])).join(', ')
  const [free, held] = [named('free'), named('its own')]
  if (own !== undefined && free !== '') {
    const what = `nothing listens on ${free}, but process ${own} has the data folder open`
    return [
      ...refused,
      warn(subject, what, 'see its log: it is starting, or has another configuration'),
    ]
  }
  if (refused.length > 0) return refused
  const text = own === undefined ? `free: ${free}` : `process ${own} listens on ${held}`
  return [ok(subject, text)]
}

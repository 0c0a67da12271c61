// Clients that are permitted, each with certificates and a process of its own.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateOrganization } from '@heddle/msp'
import { loadConfig } from '@heddle/peer'
import type { HandStarted } from './hand-started.ts'

/** What a client is told that goes too far. */
export interface Attack {
  readonly channelId: string
  readonly mspId: string
  /** Its MSP folder. */
  readonly msp: string
  readonly tls: { readonly certificate: string; readonly key: string }
  /** `host:port` of the Broadcast and Deliver services of all validators, and who is trusted there. */
  readonly targets: readonly { readonly address: string; readonly roots: string }[]
}

/** Clients of these names in an organisation of the network. */
export async function attacksOn(
  network: HandStarted,
  names: readonly string[],
  mspId = network.descriptor.client.mspId,
): Promise<Attack[]> {
  const { channelId } = network.descriptor
  const domain = `${mspId.replace(/MSP$/, '').toLowerCase()}.example.com`
  const organization = await generateOrganization({
    ...{ mspId, domain },
    dir: join(network.dir, 'crypto', domain),
    nodes: names.map((name) => ({ name, role: 'client', sans: ['localhost'] })),
  })
  const targets = targetsOf(network)
  return names.map((name) => {
    const node = organization.nodes.find((each) => each.name === name)!
    const tls = {
      certificate: readFileSync(node.tls.certificate, 'utf8'),
      key: readFileSync(node.tls.key, 'utf8'),
    }
    return { channelId, mspId, msp: node.mspDir, tls, targets }
  })
}

/** A validator as a client of the others. */
export async function attackOf(network: HandStarted, name: string): Promise<Attack> {
  const config = await loadConfig(network.path(name), {})
  const tls = {
    certificate: readFileSync(config['peer.tls.cert.file'], 'utf8'),
    key: readFileSync(config['peer.tls.key.file'], 'utf8'),
  }
  return {
    channelId: network.descriptor.channelId,
    mspId: config['peer.localMspId'],
    msp: config['peer.mspConfigPath'],
    ...{ tls, targets: targetsOf(network, name) },
  }
}

function targetsOf(network: HandStarted, but?: string): Attack['targets'] {
  return network.descriptor.validators
    .filter(({ name }) => name !== but)
    .map(({ orderer, tlsRoots }) => ({
      address: orderer,
      roots: network.read(tlsRoots).toString(),
    }))
}

/** Runs `script` of this folder, which is told `what` and says when it has begun. */
export async function begin(script: string, what: object): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)))
  child.send(what)
  await heard(child, (message) => message === 'begun')
  return child
}

/** What a process answers to `count`. */
export async function counted<Count>(child: ChildProcess): Promise<Count> {
  child.send('count')
  const isAnswer = (message: unknown): boolean =>
    typeof message === 'object' && message !== null && 'counted' in message
  return (await heard<{ readonly counted: Count }>(child, isAnswer)).counted
}

/** The next of its messages that is meant; the loader of TypeScript sends some of its own. */
async function heard<T>(child: ChildProcess, isMeant: (message: unknown) => boolean): Promise<T> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [T]
    if (isMeant(message)) return message
  }
}

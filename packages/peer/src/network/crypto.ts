import { join } from 'node:path'
import { generateOrganization } from '@heddle/msp'
import { PeerError, messageOf } from '../errors.ts'
import { systemCauseOf } from '../system-error.ts'
import type { GeneratedNode, GeneratedOrganization } from '@heddle/msp'

/** An organisation with its only node. */
export interface Member {
  readonly organization: GeneratedOrganization
  readonly node: GeneratedNode
}

/** The material of a network: an organisation for each validator, and one of the client. */
export interface NetworkMaterial {
  readonly validators: readonly Member[]
  readonly client: Member
}

async function member(
  dir: string,
  mspId: string,
  node: { readonly name: string; readonly role: 'orderer' | 'client' },
): Promise<Member> {
  const domain = `${mspId.replace(/MSP$/, '').toLowerCase()}.example.com`
  try {
    const organization = await generateOrganization({
      mspId,
      domain,
      dir: join(dir, domain),
      nodes: [{ ...node, sans: ['localhost', '127.0.0.1', '::1'] }],
    })
    const [generated] = organization.nodes
    if (generated === undefined) throw new PeerError('PEER_INVALID_CONFIG', 'no node was made')
    return { organization, node: generated }
  } catch (error) {
    throw (
      systemCauseOf(error, dir) ??
      new PeerError('PEER_WRONG_CERTIFICATE', `${dir}: ${messageOf(error)}`, {
        cure: 'remove the folder to have new material made, or choose another --dir',
        cause: error,
      })
    )
  }
}

/**
 * Makes the MSP folders and TLS certificates of a network in `dir`, keeping what is there.
 * @throws {PeerError} PEER_WRONG_CERTIFICATE when what is there belongs to something else
 */
export async function generateMaterial(dir: string, validators: number): Promise<NetworkMaterial> {
  const made: Member[] = []
  for (let id = 0; id < validators; id++) {
    made.push(await member(dir, `Org${id}MSP`, { name: `validator${id}`, role: 'orderer' }))
  }
  const client = await member(dir, 'ClientMSP', { name: 'client', role: 'client' })
  return { validators: made, client }
}

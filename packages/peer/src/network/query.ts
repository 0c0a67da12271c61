import { weakQuorumOf } from '@heddle/pbft'
import { PeerError, messageOf } from '../errors.ts'
import type { heddle } from '@heddle/proto'
import type { NetworkClient } from './client.ts'

/** How long one validator may take to answer. */
const answerTimeoutMs = 5000

/** How often all are asked again when they are at different heights. */
const rounds = 10

/** An answer that f+1 validators gave: at least one of them is correct. */
export interface AgreedAnswer {
  readonly value: Uint8Array | undefined
  /** Who gave it. */
  readonly validators: readonly string[]
}

interface Answer {
  readonly name: string
  readonly reply: heddle.GetReply
}

function agreed(answers: readonly Answer[], needed: number): AgreedAnswer | undefined {
  const groups = new Map<string, Answer[]>()
  for (const answer of answers) {
    const { found, value } = answer.reply
    const key = found ? `=${Buffer.from(value).toString('base64')}` : 'none'
    groups.set(key, [...(groups.get(key) ?? []), answer])
  }
  for (const group of groups.values()) {
    const [first] = group
    if (first === undefined || group.length < needed) continue
    const { found, value } = first.reply
    return { value: found ? value : undefined, validators: group.map(({ name }) => name) }
  }
  return undefined
}

/**
 * Reads a key: asks every validator and takes the answer that f+1 of them give.
 * @throws {PeerError} PEER_NO_AGREEMENT with what each of them said
 */
export async function queryNetwork(
  client: NetworkClient,
  contract: string,
  key: string,
): Promise<AgreedAnswer> {
  const needed = weakQuorumOf(client.validators.length)
  let failures: string[] = []
  for (let round = 0; round < rounds; round++) {
    const results = await Promise.allSettled(
      client.validators.map(async (validator) => ({
        name: validator.name,
        reply: await validator.get(contract, key, answerTimeoutMs),
      })),
    )
    const answers = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    const found = agreed(answers, needed)
    if (found !== undefined) return found
    failures = results.map((each) =>
      each.status === 'fulfilled'
        ? `${each.value.name}: another answer, at height ${each.value.reply.height}`
        : messageOf(each.reason),
    )
    // With too few answers, asking again at once does not help.
    if (answers.length < needed) break
  }
  throw new PeerError(
    'PEER_NO_AGREEMENT',
    `no ${needed} of ${client.validators.length} validators gave the same answer: ${failures.join('; ')}`,
    { cure: 'see `heddle network status`; start the network with `heddle network up`' },
  )
}

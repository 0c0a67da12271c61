import { isCodedError, messageOf, weakQuorumOf } from '@heddle/interface'
import { ClientError } from './errors.ts'
import type { AbortOptions } from '@heddle/interface'
import type { heddle } from '@heddle/proto'
import type { NetworkClient } from './network-client.ts'

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

type Validators = Pick<NetworkClient, 'validators'>

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

/** The answer that enough validators give, as soon as they have, and what all answered otherwise. */
async function askAll(
  client: Validators,
  [contract, key]: readonly [string, string],
  { needed, signal }: { readonly needed: number; readonly signal: AbortSignal | undefined },
): Promise<AgreedAnswer | readonly PromiseSettledResult<Answer>[]> {
  const answers: Answer[] = []
  let resolveEarly: (found: AgreedAnswer) => void = () => undefined
  const early = new Promise<AgreedAnswer>((resolve) => (resolveEarly = resolve))
  const asked = client.validators.map(async (validator) => {
    const reply = await validator.get(contract, key, { timeoutMs: answerTimeoutMs, signal })
    const answer = { name: validator.name, reply }
    answers.push(answer)
    const found = agreed(answers, needed)
    // One that is frozen holds nobody up.
    if (found !== undefined) resolveEarly(found)
    return answer
  })
  return Promise.race([early, Promise.allSettled(asked)])
}

function refusalOf(result: PromiseSettledResult<Answer>): Error[] {
  if (result.status === 'fulfilled') return []
  const reason: unknown = result.reason
  return isCodedError(reason, 'CLIENT_FORBIDDEN') ? [reason] : []
}

/**
 * Reads a key: asks every validator and takes the answer that f+1 of them give.
 * @throws {ClientError} CLIENT_NO_AGREEMENT with what each of them said; CLIENT_FORBIDDEN when they refuse the client
 */
export async function queryNetwork(
  client: Validators,
  contract: string,
  key: string,
  { signal }: AbortOptions = {},
): Promise<AgreedAnswer> {
  const needed = weakQuorumOf(client.validators.length)
  let failures: string[] = []
  let refusal: Error | undefined
  for (let round = 0; round < rounds; round++) {
    const results = await askAll(client, [contract, key], { needed, signal })
    signal?.throwIfAborted()
    if ('validators' in results) return results
    failures = results.map((each) =>
      each.status === 'fulfilled'
        ? `${each.value.name}: an answer that too few gave, at height ${each.value.reply.height}`
        : messageOf(each.reason),
    )
    refusal = results.flatMap(refusalOf)[needed - 1]
    // With too few answers, asking again at once does not help.
    if (results.filter(({ status }) => status === 'fulfilled').length < needed) break
  }
  if (refusal !== undefined) throw refusal
  throw new ClientError(
    'CLIENT_NO_AGREEMENT',
    `no ${needed} of ${client.validators.length} validators gave the same answer: ${failures.join('; ')}`,
  )
}

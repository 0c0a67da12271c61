import type { AbortOptions } from '@heddle/interface'
import type { heddle } from '@heddle/proto'
import type { NetworkClient } from './network-client.ts'

/** How long a validator may take to answer. */
const timeoutMs = 3000

/** What one validator says of itself. Nobody has checked it: it may lie. */
export interface ValidatorWord {
  readonly name: string
  /** Left out when it gave no answer. */
  readonly status?: heddle.StatusReply
  /** Why it gave none: CLIENT_UNAVAILABLE, CLIENT_FORBIDDEN. */
  readonly failure?: unknown
}

/** Asks each validator where it stands. Rejects with the reason of `signal`. */
export async function askStatus(
  client: Pick<NetworkClient, 'validators'>,
  { signal }: AbortOptions = {},
): Promise<ValidatorWord[]> {
  const words = await Promise.all(
    client.validators.map(async (validator) => {
      const { name } = validator
      try {
        return { name, status: await validator.status({ timeoutMs, signal }) }
      } catch (failure) {
        return { name, failure }
      }
    }),
  )
  signal?.throwIfAborted()
  return words
}

import type { Verifier } from '@heddle/pbft'
import type { ValidatorChannel } from './channel-config.ts'

/** Checks signatures with the keys that the genesis block gives the validators, on the thread pool. */
export function createValidatorVerifier({ consenters, rules }: ValidatorChannel): Verifier {
  return {
    verify: (replica, bytes, signature) => {
      const consenter = consenters[replica]
      if (consenter === undefined) return false
      return rules.msps.deserialize(consenter.identity).verifyAsync(bytes, signature)
    },
  }
}

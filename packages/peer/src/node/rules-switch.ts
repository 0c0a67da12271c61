import { signTransaction } from '@heddle/client'
import { rulesInForce, rulesSince } from '../rules/in-force.ts'
import { rulesContract } from '../switch/switch.ts'
import { RulesSwitcher } from '../switch/switcher.ts'
import type { Replica } from '@heddle/pbft'
import type { OfferVerifier } from '../switch/offer.ts'
import type { CompositionDeps } from './composition-deps.ts'
import type { PeerNetwork } from './peer-network.ts'
import type { Storage } from './storage.ts'

/** What {@link createRulesSwitcher} takes besides what a validator is made of. */
export interface RulesSwitcherParts {
  readonly storage: Storage
  readonly network: PeerNetwork
  readonly replica: Replica
  readonly offers: OfferVerifier
}

/** Offers the rules of the configuration to the other validators, and has switches ordered. */
export function createRulesSwitcher(
  { config, material, clock, logging, metrics }: CompositionDeps,
  { storage, network, replica, offers }: RulesSwitcherParts,
): RulesSwitcher {
  const { signer, channel } = material
  const { channelId } = channel
  const { state } = storage.ledger
  return new RulesSwitcher(
    {
      signer,
      verifier: offers,
      broadcast: network.offerRules,
      place: () => ({
        rules: rulesInForce(state),
        since: rulesSince(state),
        block: state.savepoint.height,
      }),
      consensus: () => replica.status(),
      submit: async (input, options) => {
        const call = { channelId, contract: rulesContract, input }
        const { bytes } = await signTransaction(signer, clock, call)
        await replica.submit(bytes, options)
      },
      clock,
      logger: logging.logger.child('peer.rules'),
      metrics,
    },
    { channelId, replica: material.replica, offered: config['ledger.rules'] },
  )
}

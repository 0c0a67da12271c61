import { hold } from './conditions.ts'
import type { BlockSignatureCollector } from '@heddle/orderer'
import type { ConditionSink } from './conditions.ts'

/** What {@link dissentCheck} looks at. */
export interface DissentCheckDeps {
  readonly collector: Pick<BlockSignatureCollector, 'dissent'>
  /** Numbers of the other validators, from 0 on. */
  readonly others: readonly number[]
  readonly conditions: ConditionSink
}

/** Says which other validators sign something else than a quorum did: that is their own fault. */
export function dissentCheck({ collector, others, conditions }: DissentCheckDeps): () => void {
  return () => {
    const { dissent } = collector
    for (const replica of others) {
      const block = dissent.get(replica + 1)
      const name = `validator${replica}`
      const reason = `${name} does not sign block ${block} as a quorum did`
      const details = block === undefined ? undefined : { reason, fields: { block } }
      hold(conditions, 'validator-diverged', details, name)
    }
  }
}

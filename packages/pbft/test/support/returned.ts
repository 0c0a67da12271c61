import type { Said, Status } from '../../src/core/messages.ts'
import { ReplicaCore } from '../../src/core/replica-core.ts'
import type { CoreOptions, JournalRecord, ReplicaEffect } from '../../src/core/protocol.ts'
import { Driver, only, stateDigest, unheard } from './cores.ts'

/** What a returned replica asks with. */
export const query = 77n
export const nothing: Said = { view: 0n, accepted: 0n, committed: 0n }

/** An answer of one that remembers, which heard this of replica 3. */
export function answer(of3: Partial<Said> = {}, content: Partial<Status> = {}): Status {
  return {
    ...{ type: 'status', view: 0n, active: true, lastExecuted: 0n, lowWatermark: 0n },
    ...{ viewChanges: [], slots: [], digests: [], query: 0n, reply: query },
    ...unheard,
    heard: [nothing, nothing, nothing, { ...nothing, ...of3 }],
    echo: query,
    ...content,
  }
}

/** Replica 3 of four, K = 2 and L = 8, in a new life. */
export class Returned extends Driver {
  constructor(
    journal: readonly JournalRecord[] = [],
    options: Partial<CoreOptions> = {},
    executed = 0n,
    isComplete = true,
  ) {
    super({ id: 3, ...options }, journal, executed)
    const digest = executed === 0n ? '' : stateDigest(executed)
    const state = { sequence: executed, digest }
    Object.assign(this, { core: new ReplicaCore(this.options, journal, state, isComplete) })
    this.step({ type: 'start', query })
  }

  get isVoting(): boolean {
    return this.core.inspect().isVoting
  }
}

/** What binds it among what it tells all. */
export const votes = (effects: readonly ReplicaEffect[]): string[] =>
  only(effects, 'broadcast')
    .map(({ message }) => message.type)
    .filter((type) => type !== 'status')

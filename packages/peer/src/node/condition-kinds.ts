/** How bad a condition is. With something failed `/healthz` is 503; with something degraded alone, 200. */
export type Severity = 'failed' | 'degraded'

/** What does not depend on the moment. */
interface ConditionKind {
  readonly severity: Severity
  /** The part that it is noticed at, as in `failed_checks` of `/healthz`. */
  readonly component: string
  /** What a person can do about it. */
  readonly cure: string
}

/**
 * Everything that can be wrong with a validator, or that it sees of others. The operations guide lists the
 * same. Failed: it does not do its work. Degraded: it does, and somebody should look.
 */
export const conditionKinds = {
  starting: {
    severity: 'failed',
    component: 'consensus.pbft',
    cure: 'wait: after 5 s it says what it still lacks',
  },
  'consensus-stopped': {
    severity: 'failed',
    component: 'consensus.pbft',
    cure: 'see the end of its log, which says why',
  },
  'not-voting': {
    severity: 'failed',
    component: 'consensus.pbft',
    cure: 'let the others go on, then it votes again by itself; if too many do not vote, put their journals back',
  },
  'rolled-back': {
    severity: 'failed',
    component: 'consensus.pbft',
    cure: 'let the others go on, then it votes again by itself; never start a validator on an older copy of its folder',
  },
  'requests-wait': {
    severity: 'failed',
    component: 'consensus.pbft',
    cure: 'see which validators are down or silent, and restart them: a quorum has to work together',
  },
  'results-differ': {
    severity: 'failed',
    component: 'orderer.signatures',
    cure: 'wait: a state is rebuilt from its blocks after 20 s, once for each block; if that does not help, compare `version` of all',
  },
  'block-unsigned': {
    severity: 'failed',
    component: 'orderer.signatures',
    cure: 'see why those validators do not run, are not reached or are behind',
  },
  'transfer-stuck': {
    severity: 'failed',
    component: 'ledger.engine',
    cure: 'see whether the orderer addresses in `validators` of its configuration are reached from here',
  },
  fork: {
    severity: 'failed',
    component: 'ledger.engine',
    cure: 'stop submitting and compare `heddle blocks` of all: more validators lie or were set back than the network tolerates',
  },
  'too-few-connected': {
    severity: 'failed',
    component: 'gossip.comm',
    cure: 'start the others; see addresses, certificates and `cannot connect` in the log',
  },
  'certificate-expired': {
    severity: 'failed',
    component: 'identity.msp',
    cure: 'have its authority renew the certificate for the same key, and start again',
  },
  'certificate-ends-soon': {
    severity: 'degraded',
    component: 'identity.msp',
    cure: 'have its authority renew the certificate for the same key, and start again',
  },
  'certificate-not-valid-yet': {
    severity: 'failed',
    component: 'identity.msp',
    cure: 'set the clock of this machine, or wait',
  },
  behind: {
    severity: 'degraded',
    component: 'ledger.engine',
    cure: 'wait while its height grows; otherwise see `deliverclient` in its log',
  },
  'set-back': {
    severity: 'degraded',
    component: 'consensus.pbft',
    cure: 'see who put an older copy of its folder there, and when; compare what is in the blocks with what your clients know; this is reported until the next start',
  },
  'files-missing': {
    severity: 'degraded',
    component: 'ledger.storage',
    cure: 'let it run until the others are well; then stop it, move its `ledger` folder away, and start it: it fetches the blocks again; a journal comes back by itself',
  },
  'disk-nearly-full': {
    severity: 'degraded',
    component: 'ledger.storage',
    cure: 'make room before it is full: then this validator ends',
  },
  'validator-down': {
    severity: 'degraded',
    component: 'gossip.comm',
    cure: 'start it; if it runs, see addresses, certificates and `cannot connect` in both logs',
  },
  'validator-silent': {
    severity: 'degraded',
    component: 'gossip.comm',
    cure: 'it is connected, and frozen, overloaded or cut off: restart it',
  },
  'validator-diverged': {
    severity: 'degraded',
    component: 'orderer.signatures',
    cure: 'wait: it rebuilds its state by itself; if that does not help, see its log, and compare its `version`: it may lie, too',
  },
  'same-identity': {
    severity: 'degraded',
    component: 'gossip.comm',
    cure: 'stop one of the two at once: what they sign contradicts each other; a copy is not a second validator',
  },
  'settings-differ': {
    severity: 'degraded',
    component: 'consensus.pbft',
    cure: 'give these settings the same values on all validators, and start again those that were changed',
  },
  'clock-off': {
    severity: 'degraded',
    component: 'clock',
    cure: 'set the clock that is wrong',
  },
  'member-floods': {
    severity: 'degraded',
    component: 'gossip.comm',
    cure: 'see who runs it, and stop it if it does not end',
  },
  'member-lies': {
    severity: 'degraded',
    component: 'gossip.comm',
    cure: 'compare its `version`; see who runs it, and stop it',
  },
} as const satisfies Readonly<Record<string, ConditionKind>>

/** One of {@link conditionKinds}. */
export type ConditionName = keyof typeof conditionKinds

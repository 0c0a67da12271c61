import type { Submissions } from './submissions.ts'

/** Where a validator stood when the run was over. */
export interface ValidatorEvidence {
  readonly name: string
  readonly height: bigint
  /** Hexadecimal. */
  readonly lastBlockHash: string
  /** Digest of the whole state, hexadecimal. */
  readonly contentDigest: string
}

/** What the proof is made of. */
export interface Evidence {
  /** Of every validator; undefined for one that gave no answer. */
  readonly validators: readonly {
    readonly name: string
    readonly evidence: ValidatorEvidence | undefined
  }[]
  /** Last block of the chain that this client followed and verified itself, hexadecimal. */
  readonly followedHash: string
  /** Digest over the entries that this client downloaded, hexadecimal. */
  readonly downloadedDigest: string
  readonly accountsBefore: bigint
  readonly accountsAfter: bigint
  /** Digest of each record in the downloaded state, by its key. */
  readonly records: ReadonlyMap<string, string>
  readonly submissions: Submissions
}

/** One statement of the proof. */
export interface Check {
  readonly name: string
  readonly held: boolean
  readonly detail: string
}

/** The proof: it held when every check held. */
export interface Proof {
  readonly held: boolean
  readonly checks: readonly Check[]
}

function check(name: string, problem: string | undefined, detail: string): Check {
  return { name, held: problem === undefined, detail: problem ?? detail }
}

function present({ validators }: Evidence): ValidatorEvidence[] {
  return validators.flatMap(({ evidence }) => (evidence === undefined ? [] : [evidence]))
}

function silent({ validators }: Evidence): string | undefined {
  const names = validators.filter(({ evidence }) => evidence === undefined).map(({ name }) => name)
  return names.length === 0 ? undefined : `no answer from ${names.join(', ')}`
}

function checkBlocks(evidence: Evidence): Check {
  const differing = present(evidence).find((each) => each.lastBlockHash !== evidence.followedHash)
  const problem =
    silent(evidence) ??
    (differing === undefined
      ? undefined
      : `${differing.name} at height ${differing.height} ends in ${differing.lastBlockHash.slice(0, 16)}, ` +
        `the verified chain in ${evidence.followedHash.slice(0, 16)}`)
  const height = present(evidence)[0]?.height ?? 0n
  return check(
    'blocks',
    problem,
    `all ${evidence.validators.length} validators have the same ${height} blocks, ending in ${evidence.followedHash.slice(0, 16)}`,
  )
}

function checkState(evidence: Evidence): Check {
  const differing = present(evidence).find(
    (each) => each.contentDigest !== evidence.downloadedDigest,
  )
  const problem =
    silent(evidence) ??
    (differing === undefined
      ? undefined
      : `${differing.name} has state ${differing.contentDigest.slice(0, 16)}, ` +
        `the downloaded one is ${evidence.downloadedDigest.slice(0, 16)}`)
  return check(
    'state',
    problem,
    `all ${evidence.validators.length} validators have the state ${evidence.downloadedDigest.slice(0, 16)}`,
  )
}

function checkAccounts({ accountsBefore, accountsAfter }: Evidence): Check {
  const problem =
    accountsBefore === accountsAfter
      ? undefined
      : `the sum over all accounts was ${accountsBefore} and is ${accountsAfter}`
  return check(
    'accounts',
    problem,
    `the sum over all accounts is ${accountsAfter}, as at the beginning`,
  )
}

function checkRecords({ submissions, records }: Evidence): Check {
  let count = 0
  for (const { submission, verdict } of submissions.all()) {
    if (submission.record === undefined || verdict?.accepted !== true) continue
    count++
    if (records.get(submission.record.key) === submission.record.digest) continue
    const what = `line ${submission.line}: record ${submission.record.key} does not read back as given`
    return check('records', what, '')
  }
  return check('records', undefined, `${count} records read back as they were given`)
}

function checkOnce({ submissions }: Evidence): Check {
  let count = 0
  for (const { submission, seen } of submissions.all()) {
    count++
    if (seen === 1) continue
    const where = `line ${submission.line} (${submission.txId.slice(0, 16)})`
    return check('once', `${where} is in the chain ${seen} times`, '')
  }
  return check('once', undefined, `each of ${count} lines was executed exactly once`)
}

/** Judges a finished run. A pure function: the same evidence gives the same proof. */
export function prove(evidence: Evidence): Proof {
  const checks = [checkBlocks, checkState, checkAccounts, checkRecords, checkOnce].map((each) =>
    each(evidence),
  )
  return { held: checks.every(({ held }) => held), checks }
}

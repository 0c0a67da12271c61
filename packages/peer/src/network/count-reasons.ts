/** Kinds of reasons in a summary. */
const maxReasons = 5

/** Reasons that begin with names from the transaction or the state, without these. */
const kinds: readonly (readonly [RegExp, string])[] = [
  [/^overdraws /, 'overdraws'],
  [/^no such account: /, 'no such account'],
  [/^record .* exists with other content$/, 'id exists with other content'],
]

/** A reason without what differs from one transaction to the next. */
function kindOf(reason: string): string {
  const known = kinds.find(([pattern]) => pattern.test(reason))
  if (known !== undefined) return known[1]
  const words = reason
    .split(/[:"0-9]/)[0]
    ?.trim()
    .split(' ')
    .slice(0, 4)
  return words?.join(' ') ?? reason
}

/** Transactions that were rejected for one kind of reason. */
export interface ReasonCount {
  readonly reason: string
  readonly count: number
  /** The first line of the input with it. */
  readonly line: number
}

/** How many transactions were rejected for each kind of reason: the most frequent ones first. */
export function countReasons(
  transactions: Iterable<{
    readonly submission: { readonly line: number }
    readonly verdict?: { readonly reason?: string } | undefined
  }>,
): ReasonCount[] {
  const counts = new Map<string, ReasonCount>()
  for (const { submission, verdict } of transactions) {
    if (verdict?.reason === undefined) continue
    const reason = kindOf(verdict.reason)
    const { count, line } = counts.get(reason) ?? { count: 0, line: Infinity }
    counts.set(reason, { reason, count: count + 1, line: Math.min(line, submission.line) })
  }
  return [...counts.values()].sort((a, b) => b.count - a.count).slice(0, maxReasons)
}

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

/** How many transactions were rejected for each kind of reason: the most frequent ones first. */
export function countReasons(
  transactions: Iterable<{ readonly verdict?: { readonly reason?: string } | undefined }>,
): { readonly reason: string; readonly count: number }[] {
  const counts = new Map<string, number>()
  for (const { verdict } of transactions) {
    if (verdict?.reason === undefined) continue
    const kind = kindOf(verdict.reason)
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts]
    .map(([reason, count]) => ({ reason, count }))
    .sort((a, b) => b.count - a.count)
    .slice(0, maxReasons)
}

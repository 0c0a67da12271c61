import { LineCounter, isPair, isScalar, parseDocument, visit } from 'yaml'
import type { Pair } from 'yaml'

function nameOf({ key }: Pair): string {
  return isScalar(key) ? String(key.value) : ''
}

/**
 * The line, from 1, of each key in a file: dotted, as settings are named, however it is nested there. What
 * stands in an alias has none.
 */
export function linesOf(source: string): ReadonlyMap<string, number> {
  const lineCounter = new LineCounter()
  const lines = new Map<string, number>()
  visit(parseDocument(source, { lineCounter }), {
    Pair(_index, pair, ancestors) {
      const name = [...ancestors.filter((each) => isPair(each)), pair].map(nameOf).join('.')
      const start = isScalar(pair.key) ? pair.key.range?.[0] : undefined
      if (start !== undefined) lines.set(name, lineCounter.linePos(start).line)
    },
  })
  return lines
}

/**
 * What a page links to, in order: `target` as it is written, `line`, and `names`, the code spans right
 * behind the link. Code blocks do not count.
 */
export function linksOf(text) {
  const visible = withoutCodeBlocks(text)
  const links = []
  let open // the link that a code span here would belong to
  let end = 0
  for (const match of visible.matchAll(tokens)) {
    const [token, inText, asReference] = match
    const joins = open !== undefined && between.test(visible.slice(end, match.index))
    end = match.index + token.length
    const target = inText ?? asReference
    if (target !== undefined) {
      open = { target, line: lineAt(visible, match.index), names: [] }
      links.push(open)
    } else if (joins) open.names.push(token.slice(1, -1))
    else open = undefined
  }
  return links
}

/** A link `[text](target)`, a definition `[label]: target`, or a code span. */
const tokens = /\[(?:`[^`]*`|[^\]`])*\]\(([^)\s]+)\)|^\[[^\]]+\]: *(\S+)|`[^`]+`/gm
/** What may stand between a link and the names that it is held to. */
const between = /^(?: |, | and )$/

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(text) {
  const seen = new Map()
  const anchors = new Set()
  for (const [, heading] of withoutCodeBlocks(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const slug = slugOf(heading)
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    anchors.add(times === 0 ? slug : `${slug}-${times}`)
  }
  return anchors
}

function slugOf(heading) {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-')
}

/** The rows of each table whose last column is called `where`, with the line where the row stands. */
export function whereTablesOf(text) {
  const tables = []
  let rows
  for (const [index, line] of withoutCodeBlocks(text).split('\n').entries()) {
    if (!line.startsWith('|')) rows = undefined
    else if (/\| *where *\|$/.test(line)) tables.push((rows = []))
    else if (rows !== undefined && !/^[|\s:-]+$/.test(line))
      rows.push({ line: index + 1, row: line })
  }
  return tables
}

/** The same lines, empty where they are code. */
function withoutCodeBlocks(text) {
  let fence
  return text
    .split('\n')
    .map((line) => {
      const [mark] = /^ *(?:```+|~~~+)/.exec(line) ?? []
      if (mark !== undefined) fence = fence === undefined ? mark.trim() : undefined
      return mark !== undefined || fence !== undefined ? '' : line
    })
    .join('\n')
}

const lineAt = (text, index) => text.slice(0, index).split('\n').length

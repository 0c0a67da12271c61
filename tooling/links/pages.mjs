import { posix } from 'node:path'
import { anchorsOf, linksOf, whereTablesOf } from './markdown.mjs'
import { createSources } from './sources.mjs'

/** How many clicks from the README of the repository everything that a page links to may be. */
export const maxClicks = 3
/** Fewest rows of the table `where` in the README of a package. */
export const fewestRules = 8

const isCode = (path) => /\.(?:[cm]?[jt]s|proto|yaml)$/.test(path)
const isPage = (path) => path.endsWith('.md')

/**
 * What is wrong with the pages of a repository, a line each.
 *
 * @param paths - all files of it
 * @param read - gives the text of one
 */
export function problemsOf(paths, read) {
  const repository = { files: new Set(paths), folders: foldersOf(paths), read }
  const pages = paths.filter(isPage).map((path) => pageOf(path, repository))
  return [
    ...pages.flatMap((page) => brokenLinks(page, repository)),
    ...pages.flatMap((page) => brokenTables(page)),
    ...tooFar(pages),
  ]
}

function foldersOf(paths) {
  const folders = new Set(['.'])
  for (const path of paths)
    for (let at = posix.dirname(path); !folders.has(at); at = posix.dirname(at)) folders.add(at)
  return folders
}

function pageOf(path, { read }) {
  const text = read(path)
  const links = linksOf(text)
    .filter(({ target }) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
    .map((link) => ({ ...link, ...resolve(path, link.target) }))
  return { path, links, tables: whereTablesOf(text) }
}

function resolve(path, target) {
  const [file, anchor] = target.split('#')
  const joined = posix.join(posix.dirname(path), decodeURI(file)).replace(/\/$/, '')
  return { to: file === '' ? path : joined, anchor }
}

function brokenLinks({ path, links }, repository) {
  const sources = createSources(repository.read)
  return links.flatMap((link) => {
    const problem = problemWith(path, link, repository, sources)
    return problem === undefined ? [] : [`${path}:${link.line}: ${link.target}: ${problem}`]
  })
}

function problemWith(path, { to, anchor, names }, { files, folders, read }, sources) {
  if (!files.has(to)) return folders.has(to) ? undefined : 'there is no such file'
  if (!isPublished(path, to, { files, read })) return 'is not in the package, where readers have it'
  if (anchor !== undefined) {
    if (!isPage(to)) return 'only pages have anchors that last'
    if (!anchorsOf(read(to)).has(anchor)) return 'there is no such heading'
  }
  if (!isCode(to)) return undefined
  const missing = names.filter((name) => !sources.declares(to, name))
  return missing.length === 0 ? undefined : `${missing.join(', ')}: not declared there`
}

/** Whether what the README of a package links to inside the package is there once it is installed. */
function isPublished(path, to, { files, read }) {
  const folder = posix.dirname(path)
  const manifest = `${folder}/package.json`
  if (!path.endsWith('/README.md') || !files.has(manifest) || !to.startsWith(`${folder}/`))
    return true
  const { files: published } = JSON.parse(read(manifest))
  if (published === undefined) return true
  const inside = to.slice(folder.length + 1)
  return published.some((entry) => inside === entry || inside.startsWith(`${entry}/`))
}

function brokenTables({ path, links, tables }) {
  const problems = []
  for (const { line } of tables.flat()) {
    const held = links.some((link) => link.line === line && link.names.length > 0)
    if (!held) problems.push(`${path}:${line}: the row has no link with a name behind it`)
  }
  if (
    /^packages\/[^/]+\/README\.md$/.test(path) &&
    !tables.some((rows) => rows.length >= fewestRules)
  )
    problems.push(`${path}: has no table "where" of ${fewestRules} rows or more`)
  return problems
}

/** Pages with links of which some are more than {@link maxClicks} from the first page. */
function tooFar(pages) {
  const byPath = new Map(pages.map((page) => [page.path, page]))
  const clicks = new Map([['README.md', 0]])
  for (const [path, at] of clicks)
    for (const { to } of byPath.get(path)?.links ?? [])
      for (const next of [to, `${to}/README.md`])
        if (byPath.has(next) && !clicks.has(next)) clicks.set(next, at + 1)
  return pages
    .filter(({ path, links }) => links.length > 0 && (clicks.get(path) ?? Infinity) >= maxClicks)
    .map(({ path }) => `${path}: its links are more than ${maxClicks} clicks from README.md`)
}

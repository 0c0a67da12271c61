import ts from 'typescript'

const isScript = (path) => /\.[cm]?[jt]s$/.test(path)

/** What reads names in files of code: `declares(path, 'Inbox.receive')`. */
export function createSources(read) {
  const declared = new Map()
  return {
    declares(path, name) {
      if (!isScript(path)) return new RegExp(`\\b${name}\\b`).test(read(path))
      if (!declared.has(path)) declared.set(path, declarationsIn(path, read(path)))
      return name.split('.').every((part) => declared.get(path).has(part))
    },
  }
}

/** Names of all that a file declares: functions, classes, types, members, constants. */
function declarationsIn(path, text) {
  const names = new Set()
  const visit = (node) => {
    if (node.name !== undefined && isDeclaration(node)) names.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest))
  return names
}

/** What a file takes in or passes on is declared elsewhere. */
function isDeclaration(node) {
  return !(
    ts.isParameter(node) ||
    ts.isPropertyAccessExpression(node) ||
    ts.isImportSpecifier(node) ||
    ts.isImportClause(node) ||
    ts.isExportSpecifier(node) ||
    ts.isShorthandPropertyAssignment(node)
  )
}

// A copy of the workspace to break: nobody's own files are changed, however a run ends.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Copies what git knows or would add, with each package's links and build; returns the folder. */
export function copyWorkspace(root) {
  const copy = mkdtempSync(join(tmpdir(), 'heddle-mutants-'))
  const listed = [
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    'packages',
    'tooling',
  ]
  const files = execFileSync('git', listed, { cwd: root, maxBuffer: 2 ** 26 })
    .toString()
    .split('\0')
  const more = ['package.json', 'pnpm-workspace.yaml']
  const folders = new Set(
    files.filter((file) => file.endsWith('/package.json')).map((file) => file.slice(0, -13)),
  )
  for (const folder of folders) more.push(`${folder}/node_modules`, `${folder}/dist`)
  for (const path of [...files, ...more]) {
    if (path === '' || !existsSync(join(root, path))) continue
    cpSync(join(root, path), join(copy, path), { recursive: true, verbatimSymlinks: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of this package: the nearest one above this module that has a package.json. */
export function packageRoot(): URL {
  let folder = new URL('.', import.meta.url)
  while (!existsSync(new URL('package.json', folder))) {
    const above = new URL('..', folder)
    if (above.href === folder.href) return above
    folder = above
  }
  return folder
}

/** The script of the CLI, to start further processes with. */
export function cliPath(): string {
  return fileURLToPath(new URL('bin/heddle.js', packageRoot()))
}

/** What /version and `heddle version` say; the names are Fabric's (`core/operations/version.go`). */
export interface Version {
  readonly Version: string
  readonly CommitSHA: string
}

/** The version of this package, and the commit it was built from if HEDDLE_COMMIT says so. */
export function readVersion(): Version {
  const source = readFileSync(new URL('package.json', packageRoot()), 'utf8')
  const { version } = JSON.parse(source) as { version: string }
  return { Version: version, CommitSHA: process.env.HEDDLE_COMMIT ?? 'unknown' }
}

// Whether `pnpm install` has linked what the packages of the work tree depend on.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is not linked in these folders, as `folder: name`. Folders without a package lack nothing. */
export function missingLinks(root, folders) {
  return folders.flatMap((folder) => {
    const manifest = join(root, folder, 'package.json')
    if (!existsSync(manifest)) return []
    const { dependencies, devDependencies } = JSON.parse(readFileSync(manifest, 'utf8'))
    return Object.keys({ ...dependencies, ...devDependencies })
      .filter((name) => !existsSync(join(root, folder, 'node_modules', name)))
      .map((name) => `${folder}: ${name}`)
  })
}

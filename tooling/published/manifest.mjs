import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'

const imports =
  /^(?:import|export)\b[^'"]*?\bfrom ["']([^"'.][^"']*)["']|^import ["']([^"'.][^"']*)["']|\bimport\(["']([^"'.][^"']*)["']\)/gm

/** The packages that code imports, by name. */
function packagesIn(code) {
  return [...code.matchAll(imports)]
    .map(([, from, bare, dynamic]) => from ?? bare ?? dynamic)
    .filter((name) => !isBuiltin(name))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    )
}

/**
 * What is wrong with an installed package and goes unnoticed in a project: npm puts the dependencies of others
 * where it finds them, too, and TypeScript passes over a file of types that is not there.
 */
export function faultsOf(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )
  const own = { ...manifest.dependencies, ...manifest.peerDependencies, [manifest.name]: '' }
  const code = readdirSync(join(folder, 'dist'), { recursive: true })
    .filter((file) => /\.(js|d\.ts)$/.test(file))
    .map((file) => readFileSync(join(folder, 'dist', file), 'utf8'))
  return [
    ...files.filter((file) => !existsSync(join(folder, file))).map((file) => `no file ${file}`),
    ...[...new Set(code.flatMap(packagesIn))]
      .filter((name) => !(name in own))
      .map((name) => `imports ${name}, which is not a dependency of it`),
  ]
}

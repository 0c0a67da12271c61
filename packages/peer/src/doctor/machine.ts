import { readFileSync } from 'node:fs'
import {
  filesAmongStrangers,
  filesNeeded,
  openFilesLimit,
  requireOpenFiles,
} from '../open-files.ts'
import { exitCodes } from '../exit-status.ts'
import { packageRoot } from '../package-root.ts'
import { failed, ok, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/** Whether this Node is one that the package supports, as `bin/heddle.js` judges it at each start. */
export async function nodeFinding(version = process.versions.node): Promise<Finding> {
  const root = packageRoot()
  const { engines } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    readonly engines: { readonly node: string }
  }
  const { fits } = (await import(new URL('bin/required-node.js', root).href)) as {
    readonly fits: (version: string, range: string) => boolean
  }
  const what = `Node ${version}, and ${engines.node} will do`
  if (fits(version, engines.node)) return ok({ check: 'node' }, what)
  const cure = 'install a newer Node'
  const status = exitCodes.unavailable
  return {
    check: 'node',
    verdict: 'fail',
    what: `Node ${version}; it needs ${engines.node}`,
    cure,
    status,
  }
}

/** Whether a process of a network of so many validators may open enough files. */
export function openFilesFinding(validators: number, limit = openFilesLimit()): Finding {
  const needed = filesNeeded(validators)
  try {
    requireOpenFiles(needed, `a network of ${validators} validators`, limit)
  } catch (error) {
    return failed({ check: 'files' }, error)
  }
  const exposed = filesAmongStrangers(validators)
  if (limit < exposed)
    return warn(
      { check: 'files' },
      `at most ${limit} open files are allowed: whoever reaches the ports can take so many that nobody else gets a connection`,
      `allow ${exposed} or more: \`ulimit -n ${exposed}\`, or LimitNOFILE=${exposed} for a service of systemd`,
    )
  const may = limit === Infinity ? 'without a limit' : `at most ${limit}`
  return ok({ check: 'files' }, `${needed} open files are needed, ${may} are allowed`)
}

// A registry on this machine: the packages of this repository as they would be published, all others from
// the registry that npm uses here.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

const manifest = {
  private: true,
  // The last that runs on Node 20.
  dependencies: { verdaccio: '6.4.0' },
  // It asks for a tag, which not every mirror of npm has.
  overrides: { 'node-fetch': '2.7.0' },
}
const startTimeoutMs = 60_000

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

function configOf(folder) {
  const { stdout } = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' })
  return JSON.stringify({
    storage: join(folder, 'storage'),
    uplinks: { npm: { url: stdout.trim(), cache: true, maxage: '1d', timeout: '60s' } },
    packages: {
      '@heddle/*': { access: '$all', publish: '$all' },
      '**': { access: '$all', proxy: 'npm' },
    },
    max_body_size: '100mb',
    log: { type: 'stdout', level: 'warn' },
  })
}

/** Installs and starts it; `stop` ends it. */
export async function startRegistry(folder, run) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], folder)
  const config = join(folder, 'config.yaml') // JSON is YAML
  writeFileSync(config, configOf(folder))
  const url = `http://127.0.0.1:${await freePort()}`
  const script = join(folder, 'node_modules/verdaccio/bin/verdaccio')
  const args = [script, '--config', config, '--listen', url]
  const child = spawn(process.execPath, args, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const stop = () => child.kill()
  const end = Date.now() + startTimeoutMs
  while (!(await isUp(url))) {
    if (child.exitCode !== null || Date.now() > end) {
      stop()
      throw new Error(`the registry at ${url} does not answer`)
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return { url, stop }
}

async function isUp(url) {
  try {
    return (await fetch(`${url}/-/ping`)).ok
  } catch {
    return false
  }
}

/** What npm is told so that it uses the registry at `url`, and only for what is done here. */
export function npmrcFor(url) {
  // npm publishes nothing without a token, and this registry takes any.
  return `registry=${url}\n${url.replace('http:', '')}/:_authToken=anybody\naudit=false\nfund=false\nignore-scripts=true\n`
}

/** Packs every package as `pnpm publish` does, and publishes the tarballs. */
export function publishAll(packages, { folder, run }) {
  const tarballs = join(folder, 'tarballs')
  mkdirSync(tarballs)
  for (const path of packages) run('pnpm', ['pack', '--pack-destination', tarballs], path)
  for (const file of readdirSync(tarballs))
    run('npm', ['publish', '--no-provenance', '--tag', 'latest', join(tarballs, file)], folder)
}

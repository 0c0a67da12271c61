import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const bin = new URL('../../bin/', import.meta.url)
const { fits } = (await import(new URL('required-node.js', bin).href)) as {
  fits: (version: string, range: string) => boolean
}
const manifest = JSON.parse(readFileSync(new URL('../package.json', bin), 'utf8')) as {
  engines: { node: string }
}

/** Runs a script of ours on this Node, which says that it is another version. */
function runAs(version: string, script: string): { status: number | null; stderr: string } {
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`
  const options = { encoding: 'utf8', timeout: 60_000 } as const
  return spawnSync(process.execPath, ['--import', preload, script, '--help'], options)
}

describe('on a Node that is too old', function () {
  this.timeout(120_000)

  const verdicts: [string, boolean][] = [
    ['18.20.8', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['20.20.2', true],
    ['21.7.3', false],
    ['22.11.0', false],
    ['22.12.0', true],
    ['23.0.0', true],
    ['26.12.1', true],
    ['100.0.0', true],
    ['24.0.0-nightly', true],
  ]
  for (const [version, isGood] of verdicts) {
    it(`takes Node ${version} for ${isGood ? 'supported' : 'not supported'}`, () => {
      expect(fits(version, manifest.engines.node)).to.equal(isGood)
    })
  }

  for (const script of ['../../bin/heddle.js', '../../../../tooling/start.mjs']) {
    it(`says in one line which one is needed: ${script.split('/').at(-1)}`, () => {
      const path = fileURLToPath(new URL(script, import.meta.url))
      const { status, stderr } = runAs('18.20.8', path)
      expect({ status, stderr }).to.deep.equal({
        status: 69,
        stderr: 'heddle needs Node 20.19 or a later 20, or 22.12 or newer; this is Node 18.20.8\n',
      })
    })
  }

  it('needs nothing newer to say so: bin imports only from Node and from itself', () => {
    const scripts = readdirSync(bin)
    expect(scripts).to.include('heddle.js')
    for (const script of scripts) {
      const source = readFileSync(new URL(script, bin), 'utf8')
      const imported = [...source.matchAll(/^import .* from '(.*)'$/gm)].map(([, from]) => from)
      expect(imported.filter((from) => !/^(node:|\.\/)/.test(from!))).to.deep.equal([])
    }
  })
})

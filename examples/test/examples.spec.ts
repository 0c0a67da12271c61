import { expect } from 'chai'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const folder = new URL('../', import.meta.url)
const running = new Set<ChildProcess>()

interface Ended {
  readonly status: number | null
  readonly output: string
}

/** Runs an example as its script in package.json does. */
async function run(command: string, ...args: readonly string[]): Promise<Ended> {
  const text = await readFile(new URL('package.json', folder), 'utf8')
  const { scripts } = JSON.parse(text) as { scripts: Record<string, string> }
  const [tool, ...rest] = (scripts[command] ?? '').split(' ')
  expect(tool, `${command} is a script`).to.equal('tsx')
  const child = spawn(process.execPath, ['--import', 'tsx', ...rest, ...args], {
    cwd: fileURLToPath(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [status] = (await once(child, 'close')) as [number | null]
  running.delete(child)
  return { status, output }
}

describe('the examples', function () {
  this.timeout(120_000) // generous: it only bounds how long a failing test takes
  after(() => {
    for (const child of running) child.kill('SIGTERM')
  })

  it('bookings: three processes go on without the primary, and it catches up', async () => {
    const { status, output } = await run('start:bookings')
    expect(status, output).to.equal(0)
    expect(output)
      .to.match(/^seat A1 went to (Ada|Bob), at both replicas$/m)
      .and.match(/^replica 0 killed: 30 more seats in .* s, replica [123] is primary$/m)
      .and.match(/^replica 0 is back at batch \d+, [1-9]\d* state transfer\(s\)$/m)
      .and.match(/^all four have the same 31 guests, digest [0-9a-f]{16}$/m)
      .and.match(/^all of it held$/m)
  })

  it('simulation: the same seed gives the same trace', async () => {
    const { status, output } = await run('start:simulation', '42', '2')
    expect(status, output).to.equal(0)
    const trace = /^trace of seed 42: ([0-9a-f]{64})$/m.exec(output)?.[1]
    expect(output)
      .to.match(/^seed 42: 60 guests, \d+ seats taken, replica [1-6] crashed, view [1-9]/m)
      .and.match(/^seed 43: /m)
      .and.include(`once more:        ${trace ?? 'no trace'}`)
      .and.match(/^all of it held$/m)
  })

  it('verified-blocks: each transaction once, though endpoint and feed are killed', async () => {
    const { status, output } = await run('start:verified-blocks')
    expect(status, output).to.equal(0)
    const [, from] = /^the feed is at block \d+ and reads from (\S+)$/m.exec(output) ?? []
    const [, next] = /^that one was killed: block \d+ came from (\S+)$/m.exec(output) ?? []
    expect(next, output).to.be.a('string').and.not.equal(from)
    expect(output)
      .to.match(/^the feed was killed and goes on at block [1-9]/m)
      .and.match(/^400 transactions were submitted, and each is in the feed once$/m)
      .and.match(/^all of it held$/m)
  })

  it('own-orderer: a quota holds over a restart, and every block verifies', async () => {
    const { status, output } = await run('start:own-orderer')
    expect(status, output).to.equal(0)
    expect(output)
      .to.match(/^12 envelopes of Acme: 10 ordered, 2 refused; 5 of Zenith: all ordered$/m)
      .and.match(/^after a restart: the first one again SUCCESS, a new one FORBIDDEN$/m)
      .and.match(/^15 envelopes in \d+ verified blocks, each once$/m)
      .and.match(/^all of it held$/m)
  })
})

import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { eventually } from '../support/eventually.ts'
import { Sandbox } from '../support/heddle.ts'
import { Validators } from '../support/validators.ts'
import { cliPath } from '../../src/package-root.ts'

type Line = Readonly<Record<string, unknown>>

/**
 * What a preloaded module makes of a validator, as soon as that listens to warnings itself: one warning,
 * then an error that nobody catches.
 */
const trouble = `
process.on('removeListener', (name) => {
  if (name !== 'warning') return
  setTimeout(() => process.emitWarning('odd', { code: 'TEST_ODD' }))
  setTimeout(() => { throw new TypeError('nobody catches it') }, 100)
})`

describe('the log of a validator', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  let network: Validators

  before(async () => {
    await sandbox.open()
    network = await Validators.make(sandbox, 'net')
  })
  after(async () => {
    await network.stop()
    await sandbox.close()
  })

  async function lines(log: string): Promise<Line[]> {
    const text = await readFile(log, 'utf8')
    expect(text).to.match(/\n$/)
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line)
  }

  /** `heddle peer start` with both outputs in one file. @returns its exit status */
  async function startInto(log: string, config: string, env: NodeJS.ProcessEnv): Promise<unknown> {
    const command = [process.execPath, cliPath(), 'peer', 'start', '--config', config]
    const child = spawn('sh', ['-c', 'exec "$@" >>"$0" 2>&1', log, ...command], {
      stdio: 'ignore',
      env: { ...process.env, ...env },
    })
    const [status] = (await once(child, 'exit')) as [unknown]
    return status
  }

  it('is JSON to the last line when Node warns and an error is not caught', async () => {
    const log = sandbox.path('trouble.json')
    await appendFile(log, '{"level":"info","msg":"torn by kill -9 in the mid')
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(trouble)}`
    expect(await startInto(log, network.config('validator0'), { NODE_OPTIONS })).to.equal(70)
    const [torn, ...all] = await lines(log)
    expect(torn?.['msg']).to.match(/^a line was torn: .*in the mid$/)
    const warning = all.find(({ msg }) => msg === 'Node warns')
    expect(warning).to.deep.include({ error: { code: 'TEST_ODD', message: 'odd' } })
    const uncaught = all.find(({ msg }) => msg === 'an error was not caught')
    expect(uncaught?.['stack']).to.match(/TypeError: nobody catches it\n/)
    expect(all.at(-1)?.['msg']).to.match(/^heddle: nobody catches it\n/)
  })

  it('is JSON to the last line when the validator cannot start', async () => {
    const log = sandbox.path('refused.json')
    await appendFile(log, '')
    network.start('validator1')
    await eventually('validator1 listens', async () => {
      const { status } = await network.operations('validator1', '/version')
      return status === 200
    })
    const { operations } = network.described('validator1')
    const env = { CORE_OPERATIONS_LISTENADDRESS: operations }
    expect(await startInto(log, network.config('validator0'), env)).to.equal(75)
    expect((await lines(log)).at(-1)?.['msg']).to.match(/^heddle: .*\n.*code: PEER_PORT_BUSY/s)
  })

  it('goes on in a new line after one that was torn, under network up', async () => {
    await network.kill('validator1')
    const { log } = network.described('validator2')
    const path = join(network.dir, log)
    await appendFile(path, '{"level":"in')
    const up = await sandbox.run([
      'network',
      'up',
      '--exit',
      '--dir',
      sandbox.path('net'),
      '--input',
      '-',
    ])
    expect(up.status, up.stderr).to.equal(0)
    const torn = (await lines(path)).filter(({ msg }) => msg === 'a line was torn: {"level":"in')
    expect(torn).to.have.length(1)
  })

  it('is, with all that is a validator’s, in folders of its owner alone', async () => {
    const { config, log } = network.described('validator0')
    const folder = join(network.dir, dirname(config))
    const ledger = join(folder, 'data', 'ledger')
    const folders = [
      network.dir,
      folder,
      join(folder, 'data'),
      ledger,
      join(folder, 'data', 'journal'),
    ]
    for (const path of [...folders, join(ledger, 'state'), join(ledger, 'index')])
      expect(((await stat(path)).mode & 0o777).toString(8), path).to.equal('700')
    expect(((await stat(join(network.dir, log))).mode & 0o777).toString(8), log).to.equal('600')
  })
})

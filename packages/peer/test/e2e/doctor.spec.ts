import { expect } from 'chai'
import { withNetwork } from '../support/with-network.ts'
import type { JsonLine } from '../support/heddle.ts'

describe('heddle doctor, of a network that runs', function () {
  this.timeout(120_000)
  const suite = withNetwork()

  async function examine(...args: string[]): Promise<{ status: unknown; found: JsonLine[] }> {
    const { status, heddle, stderr } = await suite.sandbox.run(['doctor', '--json', ...args])
    expect(stderr).to.equal('')
    return { status, found: heddle.json }
  }
  const notOk = (found: readonly JsonLine[]): unknown[] =>
    found.flatMap(({ check, about, verdict }) => (verdict === 'ok' ? [] : [[check, about]]))

  it('finds nothing wrong, and names the process of each validator', async () => {
    const { network } = suite
    await network.ready()
    const { status, found } = await examine('--dir', network.dir)
    expect(notOk(found)).to.deep.equal([])
    expect(status).to.equal(0)
    for (const name of network.names) {
      const ports = found.find(({ check, about }) => check === 'ports' && about === name)
      expect(ports?.['what']).to.match(new RegExp(`^process ${network.process(name).pid} listens`))
    }
    const one = await examine('--config', network.config('validator1'))
    expect(notOk(one.found)).to.deep.equal([])
    expect(one.status).to.equal(0)
  })

  it('names one that is frozen, and fails when a quorum does not answer', async () => {
    const { network } = suite
    network.process('validator3').kill('SIGSTOP')
    const one = await examine('--dir', network.dir)
    expect(notOk(one.found)).to.deep.include(['validator', 'validator3'])
    expect(one.status).to.equal(0)
    network.process('validator2').kill('SIGSTOP')
    const two = await examine('--config', network.config('validator0'))
    expect(notOk(two.found)).to.deep.include(['quorum', undefined])
    expect(two.status).to.equal(69)
    for (const name of ['validator2', 'validator3']) network.process(name).kill('SIGCONT')
  })
})

import { expect } from 'chai'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { generateOrganization } from '@heddle/msp'
import { eventually } from '../support/eventually.ts'
import { Sandbox, recordLines } from '../support/heddle.ts'
import { Validators } from '../support/validators.ts'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

/** The variables that company machines set, in both spellings. */
function proxyVariables(port: number): NodeJS.ProcessEnv {
  const names = ['grpc_proxy', 'https_proxy', 'http_proxy']
  return Object.fromEntries(
    names
      .flatMap((name) => [name, name.toUpperCase()])
      .map((name) => [name, `http://127.0.0.1:${port}`]),
  )
}

/** A proxy on loopback that tunnels wherever it is asked to, as if every name were this machine's. */
class Proxy {
  readonly asked: string[] = []
  readonly #sockets = new Set<Duplex>()
  readonly #server = createServer().on('connect', ({ url = '' }, socket: Duplex) => {
    this.asked.push(url)
    const far = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(far).pipe(socket)
    })
    for (const [each, other] of [
      [socket, far],
      [far, socket],
    ] as const) {
      this.#sockets.add(each)
      each.on('error', () => undefined).on('close', () => other.destroy())
    }
  })

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async open(): Promise<void> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

describe('a machine with proxy variables', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  const proxy = new Proxy()
  before(async () => {
    await sandbox.open()
    await proxy.open()
  })
  after(async () => {
    proxy.close()
    await sandbox.close()
  })

  /** `network up`, and all clients of it. */
  async function everything(name: string, env: NodeJS.ProcessEnv): Promise<void> {
    const dir = ['--dir', sandbox.path(name)]
    const input = await sandbox.file('few.ndjson', recordLines(name, 20))
    const up = sandbox.start(['network', 'up', '--json', ...dir, '--input', input], { env })
    await up.until((heddle) => heddle.find('summary') !== undefined)
    const key = `${name}-7`
    for (const command of [
      ['query', 'records', key],
      ['network', 'status'],
      ['blocks', '--to', '1'],
      ['submit', input],
      ['network', 'stop'],
    ]) {
      const result = await sandbox.run([...command, ...dir], { env })
      expect(result.status, `${command.join(' ')}: ${result.stderr}`).to.equal(0)
    }
    expect(await up.ended, up.stderr).to.equal(0)
  }

  it('runs as any other when the proxy does not answer: loopback is reached directly', async () => {
    const nobody = new Proxy()
    await nobody.open()
    const { port } = nobody
    nobody.close()
    await everything('dead', proxyVariables(port))
  })

  it('never asks a proxy that answers for loopback, whatever peer.proxy says', async () => {
    const env = { ...proxyVariables(proxy.port), CORE_PEER_PROXY: 'environment' }
    await everything('alive', env)
    expect(proxy.asked).to.deep.equal([])
  })

  describe('with validators on other machines', () => {
    let network: Validators
    const host = (id: number): string => `validator${id}.heddle.test`

    before(async () => {
      for (let id = 0; id < 4; id++) {
        const domain = `org${id}.example.com`
        await generateOrganization({
          mspId: `Org${id}MSP`,
          domain,
          dir: sandbox.path('far', 'crypto', domain),
          nodes: [
            { name: `validator${id}`, role: 'orderer', sans: ['localhost', '127.0.0.1', host(id)] },
          ],
        })
      }
      network = await Validators.make(sandbox, 'far', { input: recordLines('far', 20) })
      for (const name of network.names) {
        const file = network.config(name)
        const config = await readFile(file, 'utf8')
        const [own, others] = config.split('\nvalidators:\n')
        const named = others!.replace(
          /id: (\d+)\n +gossip: 127.0.0.1(:\d+)\n +orderer: 127.0.0.1(:\d+)/g,
          (_, id: string, gossip: string, orderer: string) =>
            [
              `id: ${id}`,
              `    gossip: ${host(+id)}${gossip}`,
              `    orderer: ${host(+id)}${orderer}`,
            ].join('\n'),
        )
        await writeFile(file, `${own}\nvalidators:\n${named}`)
      }
    })
    after(() => network.stop())

    it('connects them through the proxy where peer.proxy says so, and says that', async () => {
      const env = { ...proxyVariables(proxy.port), CORE_PEER_PROXY: 'environment' }
      await network.startAll(network.names, { env })
      const { gossip } = network.described('validator1')
      const far = `${host(1)}:${gossip.split(':')[1]}`
      expect(proxy.asked).to.include(far)
      const said = network
        .process('validator0')
        .json.filter(({ msg }) => msg === 'validator is reached through a proxy')
      expect(said.map(({ endpoint, through }) => [endpoint, through])).to.deep.include([
        far,
        `127.0.0.1:${proxy.port}`,
      ])
    })

    it('asks no proxy where peer.proxy says nothing', async () => {
      await network.stop()
      proxy.asked.length = 0
      network.start('validator0', { env: proxyVariables(proxy.port) })
      await eventually('validator0 fails to find the others', () =>
        network.process('validator0').lines.some((line) => line.includes(host(1))),
      )
      expect(proxy.asked).to.deep.equal([])
    })
  })
})

import { expect } from 'chai'
import { systemClock } from '@heddle/events'
import type { Clock, LogFields, Logger } from '@heddle/interface'
import { common } from '@heddle/proto'
import {
  type Endpoint,
  createBroadcastClient,
  createDeliverService,
  signedEnvelope,
} from '../../src/index.ts'
import { MemoryStore } from '../../src/testing.ts'
import {
  channel,
  channelId,
  grow,
  honest,
  hasty,
  impatient,
  scripted,
  started,
  statusFrame,
  stopAll,
  until,
} from '../network.ts'

type Line = [level: string, event: string, error: unknown]

/** A logger that keeps its lines. */
class Lines implements Logger {
  readonly lines: Line[] = []
  debug(event: string, _fields?: LogFields, error?: unknown): void {
    this.lines.push(['debug', event, error])
  }
  info(event: string, _fields?: LogFields, error?: unknown): void {
    this.lines.push(['info', event, error])
  }
  warn(event: string, _fields?: LogFields, error?: unknown): void {
    this.lines.push(['warn', event, error])
  }
  error(event: string, _fields?: LogFields, error?: unknown): void {
    this.lines.push(['error', event, error])
  }
  child(): Logger {
    return this
  }
  count(event: string): number {
    return this.lines.filter(([, each]) => each === event).length
  }
}

/** Nobody listens there. */
const nobody: readonly Endpoint[] = ['localhost:1', 'localhost:2'].map((address) => ({
  address,
  roots: [],
}))

async function envelope(): Promise<Uint8Array> {
  const { client: signer } = await channel()
  const type = common.HeaderType.MESSAGE
  const data = Buffer.from('x')
  return (await signedEnvelope({ channelId, type, data, signer, clock: systemClock })).bytes
}

/** A service that stops by itself, and a port where another may take its place. */
async function vacatedPort(): Promise<{ endpoint: Endpoint; port: number }> {
  const { endpoint, server } = await honest()
  await server.stop()
  return { endpoint, port: Number(endpoint.address.split(':')[1]) }
}

describe('when nobody can be reached', function () {
  this.timeout(20_000)
  afterEach(stopAll)

  describe('a broadcast client', () => {
    it('rejects an envelope at unreachableTimeoutMs and not before, and warns once', async () => {
      let now = 0
      const clock: Clock = {
        now: () => now,
        wallTime: () => systemClock.wallTime(),
        schedule: (ms, task) => systemClock.schedule(Math.min(ms, 100), task),
      }
      const logger = new Lines()
      const client = createBroadcastClient(
        { clock, logger },
        { endpoints: nobody, unreachableTimeoutMs: 200, ...hasty },
      )
      started.push(client)
      await client.start()
      const attempts = async (more: number): Promise<void> => {
        const enough = logger.count('broadcast interrupted') + more
        await until(() => logger.count('broadcast interrupted') >= enough)
      }
      const early = client.submit(await envelope()).catch((error: unknown) => error)
      await attempts(3)
      now = 100
      const late = client.submit(await envelope()).catch((error: unknown) => error)
      now = 199
      await attempts(3)
      expect(client.pending, 'one millisecond before').to.equal(2)
      now = 200
      expect(await early).to.have.property('code', 'DELIVER_UNREACHABLE')
      expect(client.pending, 'the later one').to.equal(1)
      now = 300
      expect(await late)
        .to.have.property('message')
        .that.matches(/^cannot connect to localhost:[12]: /)
      expect(logger.lines.filter(([level]) => level === 'warn')).to.have.length(1)
      expect(logger.count('no endpoint can be reached')).to.equal(1)
    })

    it('sends what comes after an outage, and says that it is over', async () => {
      const { endpoint, port } = await vacatedPort()
      const { clientTls: tls } = await channel()
      const logger = new Lines()
      const client = createBroadcastClient(
        { clock: systemClock, logger },
        { endpoints: [endpoint], tls, unreachableTimeoutMs: 1, ...hasty },
      )
      started.push(client)
      await client.start()
      const error = await client.submit(await envelope()).catch((reason: unknown) => reason)
      expect(error).to.have.property('code', 'DELIVER_UNREACHABLE')
      await honest({ server: { listen: { host: 'localhost', port } } })
      expect((await client.submit(await envelope())).status).to.equal(common.Status.SUCCESS)
      expect(logger.count('no endpoint can be reached: no longer')).to.equal(1)
    })
  })

  describe('a deliver service', () => {
    async function serviceOf(endpoints: readonly Endpoint[], logger: Logger) {
      const { client: signer, clientTls: tls, genesis: configBlock } = await channel()
      const store = new MemoryStore()
      const deps = { signer, clock: systemClock, ledger: store, sink: store, logger }
      const options = { channelId, configBlock, endpoints, tls, ...impatient, stallTimeoutMs: 200 }
      const service = createDeliverService(deps, options)
      started.push(service)
      await service.start()
      return { service, store }
    }

    it('says so in its status, warns once, and both end with the outage', async () => {
      const { endpoint, port } = await vacatedPort()
      const logger = new Lines()
      const { service, store } = await serviceOf([endpoint, ...nobody], logger)
      await until(() => logger.count('delivery failed') > 9)
      expect(service.status().lastError).to.have.property('code', 'DELIVER_UNREACHABLE')
      expect(
        logger.lines.filter(([level]) => level === 'warn').map(([, event]) => event),
      ).to.deep.equal(['no endpoint delivers blocks'])
      const { chain } = await honest({ server: { listen: { host: 'localhost', port } } })
      await grow(chain, 1)
      await until(() => store.height() === 2n)
      expect(service.status().lastError).to.equal(undefined)
      expect(logger.count('no endpoint delivers blocks: no longer')).to.equal(1)
    })

    it('says in its status why it is refused, and forgets it when the channel is only idle', async () => {
      let refuses = true
      const endpoint = await scripted((call) => {
        call.on('data', () => {
          if (refuses) call.write(statusFrame(common.Status.FORBIDDEN))
        })
      })
      const logger = new Lines()
      const { service } = await serviceOf([endpoint], logger)
      await until(() => logger.count('delivery failed') > 3)
      expect(service.status().lastError).to.have.property('code', 'DELIVER_STATUS')
      expect(logger.count('no endpoint delivers blocks')).to.equal(1)
      refuses = false
      await until(() => service.status().lastError === undefined)
    })
  })
})

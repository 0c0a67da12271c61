import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Endpoint } from '@heddle/deliver'
import { channelConfig, cryptoConfig, ordererFolder, profileName } from './fabric-config.ts'
import { listening } from './fabric-peer.ts'
import { freePorts } from './ports.ts'
import { Program, run } from './program.ts'

/** Ports of one orderer: service, administration, operations. */
const portsEach = 3

/** Makes the material of all organisations in `<dir>/crypto`. @returns that folder */
export async function makeCrypto(home: string, dir: string, orderers: number): Promise<string> {
  await mkdir(dir, { recursive: true })
  const config = join(dir, 'crypto-config.yaml')
  await writeFile(config, cryptoConfig(orderers))
  const crypto = join(dir, 'crypto')
  const cryptogen = join(home, 'bin', 'cryptogen')
  await run([cryptogen, 'generate', `--config=${config}`, `--output=${crypto}`])
  return crypto
}

function environment(
  crypto: string,
  dir: string,
  id: number,
  ports: readonly number[],
): NodeJS.ProcessEnv {
  const [port, admin, operations] = ports
  const folder = ordererFolder(crypto, id)
  const tls = (file: string): string => join(folder, 'tls', file)
  return {
    FABRIC_CFG_PATH: join(dir, 'config'),
    FABRIC_LOGGING_SPEC: 'info:grpc=error',
    ORDERER_GENERAL_LISTENADDRESS: '127.0.0.1',
    ORDERER_GENERAL_LISTENPORT: String(port),
    ORDERER_GENERAL_LOCALMSPDIR: join(folder, 'msp'),
    ORDERER_GENERAL_LOCALMSPID: 'OrdererMSP',
    ORDERER_GENERAL_BOOTSTRAPMETHOD: 'none',
    ORDERER_GENERAL_TLS_ENABLED: 'true',
    ORDERER_GENERAL_TLS_PRIVATEKEY: tls('server.key'),
    ORDERER_GENERAL_TLS_CERTIFICATE: tls('server.crt'),
    ORDERER_GENERAL_TLS_ROOTCAS: `[${tls('ca.crt')}]`,
    ORDERER_GENERAL_TLS_CLIENTROOTCAS: `[${tls('ca.crt')}]`,
    ORDERER_GENERAL_CLUSTER_CLIENTCERTIFICATE: tls('server.crt'),
    ORDERER_GENERAL_CLUSTER_CLIENTPRIVATEKEY: tls('server.key'),
    ORDERER_FILELEDGER_LOCATION: join(dir, 'ledger'),
    ORDERER_CONSENSUS_WALDIR: join(dir, 'wal'),
    ORDERER_CONSENSUS_SNAPDIR: join(dir, 'snapshots'),
    ORDERER_OPERATIONS_LISTENADDRESS: `127.0.0.1:${String(operations)}`,
    ORDERER_METRICS_PROVIDER: 'disabled',
    ORDERER_CHANNELPARTICIPATION_ENABLED: 'true',
    ORDERER_ADMIN_LISTENADDRESS: `127.0.0.1:${String(admin)}`,
    ORDERER_ADMIN_TLS_ENABLED: 'true',
    ORDERER_ADMIN_TLS_CERTIFICATE: tls('server.crt'),
    ORDERER_ADMIN_TLS_PRIVATEKEY: tls('server.key'),
    ORDERER_ADMIN_TLS_ROOTCAS: `[${tls('ca.crt')}]`,
    ORDERER_ADMIN_TLS_CLIENTROOTCAS: `[${tls('ca.crt')}]`,
  }
}

/** A channel ordered by real Fabric orderers (BFT) on loopback. */
export class FabricOrderers {
  readonly channelId = 'interop'
  readonly crypto: string
  readonly genesis: Buffer
  readonly endpoints: readonly Endpoint[]
  readonly #programs: ReadonlyMap<string, Program>

  private constructor(
    crypto: string,
    genesis: Buffer,
    endpoints: readonly Endpoint[],
    programs: ReadonlyMap<string, Program>,
  ) {
    this.crypto = crypto
    this.genesis = genesis
    this.endpoints = endpoints
    this.#programs = programs
  }

  /** Makes material and channel in `dir`, starts `count` orderers and joins them to the channel. */
  static async start(home: string, dir: string, count: number): Promise<FabricOrderers> {
    const crypto = await makeCrypto(home, dir, count)
    const ports = await freePorts(count * portsEach)
    const portsOf = (id: number): number[] => ports.slice((id - 1) * portsEach, id * portsEach)
    const ids = Array.from({ length: count }, (_, index) => index + 1)
    const block = join(dir, 'genesis.block')
    const services = ids.map((id) => portsOf(id)[0] ?? 0)
    await writeFile(join(dir, 'configtx.yaml'), channelConfig(crypto, services))
    await run(
      [
        join(home, 'bin', 'configtxgen'),
        ...['-profile', profileName, '-channelID', 'interop', '-outputBlock', block],
      ],
      { env: { FABRIC_CFG_PATH: dir } },
    )
    const programs = new Map<string, Program>()
    const endpoints: Endpoint[] = []
    try {
      for (const id of ids) {
        const [port = 0, admin = 0] = portsOf(id)
        const folder = join(dir, `orderer${id}`)
        await mkdir(join(folder, 'config'), { recursive: true })
        const config = join('config', 'orderer.yaml')
        await copyFile(join(home, config), join(folder, config))
        const program = new Program([join(home, 'bin', 'orderer')], {
          name: `orderer${id}`,
          cwd: folder,
          env: environment(crypto, folder, id, portsOf(id)),
        })
        programs.set(`127.0.0.1:${port}`, program)
        await listening(port, program)
        await listening(admin, program)
        const tls = join(ordererFolder(crypto, id), 'tls')
        await run([
          join(home, 'bin', 'osnadmin'),
          ...['channel', 'join', '--channelID', 'interop', '--config-block', block],
          ...['-o', `127.0.0.1:${admin}`, '--ca-file', join(tls, 'ca.crt')],
          ...['--client-cert', join(tls, 'server.crt'), '--client-key', join(tls, 'server.key')],
        ])
        const roots = [await readFile(join(tls, 'ca.crt'))]
        endpoints.push({ address: `127.0.0.1:${port}`, roots, serverName: 'localhost' })
      }
    } catch (error) {
      await stopAll(programs)
      throw error
    }
    return new FabricOrderers(crypto, await readFile(block), endpoints, programs)
  }

  /** kill -9 of the orderer that listens there. */
  async kill(address: string): Promise<void> {
    const program = this.#programs.get(address)
    if (program === undefined) throw new Error(`no orderer at ${address}`)
    await program.kill()
  }

  stop(): Promise<void> {
    return stopAll(this.#programs)
  }
}

async function stopAll(programs: ReadonlyMap<string, Program>): Promise<void> {
  await Promise.all([...programs.values()].map((program) => program.stop()))
}

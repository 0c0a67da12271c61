import { copyFile, mkdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { freePorts } from './ports.ts'
import { Program, run } from './program.ts'

/** Who a peer is: an MSP folder and a TLS pair, PEM files. */
export interface PeerIdentity {
  readonly mspId: string
  readonly mspDir: string
  readonly tls: { readonly certificate: string; readonly key: string; readonly roots: string }
}

/** How a {@link FabricPeer} is started. */
export interface FabricPeerOptions extends PeerIdentity {
  /** Folder of the Fabric release. */
  readonly home: string
  /** Its own folder, made by it. */
  readonly dir: string
  /** `host:port` of a peer that it is to meet; itself by default. */
  readonly bootstrap?: string
  /** Fabric's logging specification. */
  readonly logSpec?: string
}

/** Resolves when something listens there. */
export async function listening(port: number, program: Program): Promise<void> {
  await eventually(`${program.name} listens on ${port}`, () => {
    program.assertRunning()
    return new Promise<true | undefined>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(undefined))
    })
  })
}

function environment(options: FabricPeerOptions, ports: readonly number[]): NodeJS.ProcessEnv {
  const { home, dir, mspId, mspDir, tls, bootstrap, logSpec = 'info:grpc=error' } = options
  const [own, chaincode, operations] = ports.map((port) => `127.0.0.1:${port}`)
  return {
    PATH: `${join(home, 'bin')}:${process.env.PATH ?? ''}`,
    FABRIC_CFG_PATH: join(dir, 'config'),
    FABRIC_LOGGING_SPEC: logSpec,
    FABRIC_LOGGING_FORMAT: '%{level} [%{module}] %{message}',
    CORE_PEER_ID: 'interop',
    CORE_PEER_NETWORKID: 'interop',
    CORE_PEER_ADDRESS: own,
    CORE_PEER_LISTENADDRESS: own,
    CORE_PEER_CHAINCODEADDRESS: chaincode,
    CORE_PEER_CHAINCODELISTENADDRESS: chaincode,
    CORE_OPERATIONS_LISTENADDRESS: operations,
    CORE_METRICS_PROVIDER: 'disabled',
    CORE_PEER_GOSSIP_BOOTSTRAP: bootstrap ?? own,
    CORE_PEER_GOSSIP_ENDPOINT: own,
    CORE_PEER_GOSSIP_EXTERNALENDPOINT: own,
    CORE_PEER_LOCALMSPID: mspId,
    CORE_PEER_MSPCONFIGPATH: mspDir,
    CORE_PEER_TLS_ENABLED: 'true',
    CORE_PEER_TLS_CERT_FILE: tls.certificate,
    CORE_PEER_TLS_KEY_FILE: tls.key,
    CORE_PEER_TLS_ROOTCERT_FILE: tls.roots,
    CORE_PEER_TLS_CLIENTAUTHREQUIRED: 'true', // else it shows no certificate to orderers either
    CORE_PEER_TLS_CLIENTCERT_FILE: tls.certificate,
    CORE_PEER_TLS_CLIENTKEY_FILE: tls.key,
    CORE_PEER_TLS_CLIENTROOTCAS_FILES: tls.roots,
    CORE_PEER_FILESYSTEMPATH: join(dir, 'data'),
    CORE_LEDGER_SNAPSHOTS_ROOTDIR: join(dir, 'snapshots'),
    CORE_VM_ENDPOINT: '',
  }
}

/** A real Fabric peer on loopback, with the commands of its administrator. */
export class FabricPeer {
  readonly address: string
  readonly #program: Program
  readonly #env: NodeJS.ProcessEnv

  private constructor(address: string, program: Program, env: NodeJS.ProcessEnv) {
    this.address = address
    this.#program = program
    this.#env = env
  }

  /** Starts one and waits until it listens. */
  static async start(options: FabricPeerOptions): Promise<FabricPeer> {
    await mkdir(join(options.dir, 'config'), { recursive: true })
    await copyFile(
      join(options.home, 'config', 'core.yaml'),
      join(options.dir, 'config', 'core.yaml'),
    )
    const ports = await freePorts(3)
    const env = environment(options, ports)
    const program = new Program([join(options.home, 'bin', 'peer'), 'node', 'start'], {
      name: 'peer',
      cwd: options.dir,
      env,
    })
    const [port = 0] = ports
    await listening(port, program)
    return new FabricPeer(`127.0.0.1:${port}`, program, env)
  }

  /** What it logged. */
  get log(): string {
    return this.#program.output
  }

  /** `peer …` as the administrator whose MSP folder is given. */
  command(adminMspDir: string, ...args: readonly string[]): Promise<string> {
    return run(['peer', ...args], {
      env: { ...this.#env, CORE_PEER_MSPCONFIGPATH: adminMspDir, FABRIC_LOGGING_SPEC: 'error' },
    })
  }

  /** What `peer channel getinfo` says. */
  async channelInfo(
    adminMspDir: string,
    channelId: string,
  ): Promise<{ readonly height: number; readonly currentBlockHash: string }> {
    const output = await this.command(adminMspDir, 'channel', 'getinfo', '-c', channelId)
    return JSON.parse(output.slice(output.indexOf('{'))) as {
      height: number
      currentBlockHash: string
    }
  }

  stop(): Promise<void> {
    return this.#program.stop()
  }
}

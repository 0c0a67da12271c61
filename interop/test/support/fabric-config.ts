import { join } from 'node:path'

// What cryptogen and configtxgen read. Both take YAML, and JSON is YAML.

/** Domains of the two organisations that cryptogen makes. */
export const ordererDomain = 'orderer.example.com'
export const peerDomain = 'org1.example.com'

/** Name of the profile in {@link channelConfig}. */
export const profileName = 'Interop'

const sans = ['localhost', '127.0.0.1']

/** An orderer organisation with `orderers` nodes, and a peer organisation with two peers. */
export function cryptoConfig(orderers: number): string {
  const specs = (prefix: string, first: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ Hostname: `${prefix}${first + i}`, SANS: sans }))
  return JSON.stringify({
    OrdererOrgs: [
      {
        Name: 'Orderer',
        Domain: ordererDomain,
        EnableNodeOUs: true,
        Specs: specs('orderer', 1, orderers),
      },
    ],
    PeerOrgs: [
      {
        Name: 'Org1',
        Domain: peerDomain,
        EnableNodeOUs: true,
        Users: { Count: 1 },
        Specs: specs('peer', 0, 2),
      },
    ],
  })
}

/** Folder of an orderer's material, in what cryptogen wrote to `crypto`. */
export function ordererFolder(crypto: string, id: number): string {
  const organization = join(crypto, 'ordererOrganizations', ordererDomain)
  return join(organization, 'orderers', `orderer${id}.${ordererDomain}`)
}

/** Folder of the peer organisation, in what cryptogen wrote to `crypto`. */
export function peerOrganizationFolder(crypto: string): string {
  return join(crypto, 'peerOrganizations', peerDomain)
}

const signature = (rule: string) => ({ Type: 'Signature', Rule: rule })
const implicitMeta = (rule: string) => ({ Type: 'ImplicitMeta', Rule: rule })

const rolePolicies = {
  Readers: implicitMeta('ANY Readers'),
  Writers: implicitMeta('ANY Writers'),
  Admins: implicitMeta('MAJORITY Admins'),
}

/** Short enough that a test sees a new leader within seconds. */
const smartBft = {
  RequestBatchMaxCount: 10,
  RequestBatchMaxBytes: 10_485_760,
  RequestBatchMaxInterval: '100ms',
  IncomingMessageBufferSize: 200,
  RequestPoolSize: 1000,
  RequestForwardTimeout: '1s',
  RequestComplainTimeout: '2s',
  RequestAutoRemoveTimeout: '3m',
  ViewChangeResendInterval: '1s',
  ViewChangeTimeout: '5s',
  LeaderHeartbeatTimeout: '5s',
  LeaderHeartbeatCount: 10,
  CollectTimeout: '1s',
  SyncOnStart: false,
  SpeedUpViewChange: false,
}

function ordererOrganization(crypto: string, ports: readonly number[]) {
  return {
    Name: 'OrdererOrg',
    ID: 'OrdererMSP',
    MSPDir: join(crypto, 'ordererOrganizations', ordererDomain, 'msp'),
    Policies: {
      Readers: signature("OR('OrdererMSP.member')"),
      Writers: signature("OR('OrdererMSP.member')"),
      Admins: signature("OR('OrdererMSP.admin')"),
    },
    OrdererEndpoints: ports.map((port) => `127.0.0.1:${port}`),
  }
}

function peerOrganization(crypto: string) {
  return {
    Name: 'Org1',
    ID: 'Org1MSP',
    MSPDir: join(peerOrganizationFolder(crypto), 'msp'),
    Policies: {
      Readers: signature("OR('Org1MSP.member')"),
      Writers: signature("OR('Org1MSP.member')"),
      Admins: signature("OR('Org1MSP.admin')"),
      Endorsement: signature("OR('Org1MSP.peer')"),
    },
  }
}

function consenters(crypto: string, ports: readonly number[]) {
  return ports.map((port, index) => {
    const id = index + 1
    const folder = ordererFolder(crypto, id)
    const certificate = join(folder, 'tls', 'server.crt')
    return {
      ID: id,
      Host: '127.0.0.1',
      Port: port,
      MSPID: 'OrdererMSP',
      Identity: join(folder, 'msp', 'signcerts', `orderer${id}.${ordererDomain}-cert.pem`),
      ClientTLSCert: certificate,
      ServerTLSCert: certificate,
    }
  })
}

/** `configtx.yaml` of a channel that orderers on these ports order by BFT. */
export function channelConfig(crypto: string, ports: readonly number[]): string {
  const endorsement = implicitMeta('MAJORITY Endorsement')
  const profile = {
    Policies: rolePolicies,
    Capabilities: { V3_0: true },
    Orderer: {
      OrdererType: 'BFT',
      BatchTimeout: '100ms',
      BatchSize: { MaxMessageCount: 10, AbsoluteMaxBytes: '10 MB', PreferredMaxBytes: '2 MB' },
      MaxChannels: 0,
      Organizations: [ordererOrganization(crypto, ports)],
      Policies: { ...rolePolicies, BlockValidation: implicitMeta('ANY Writers') },
      Capabilities: { V2_0: true },
      SmartBFT: smartBft,
      ConsenterMapping: consenters(crypto, ports),
    },
    Application: {
      Organizations: [peerOrganization(crypto)],
      Policies: {
        ...rolePolicies,
        LifecycleEndorsement: endorsement,
        Endorsement: endorsement,
      },
      Capabilities: { V2_5: true },
    },
  }
  return JSON.stringify({ Profiles: { [profileName]: profile } })
}

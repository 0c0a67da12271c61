import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { readdir } from 'node:fs/promises'
import { credentials } from '@grpc/grpc-js'
import { common, msp, orderer } from '@hyperledger/fabric-protos'
import { Client, type Committer, User } from 'fabric-common'
import { Timestamp } from 'google-protobuf/google/protobuf/timestamp_pb.js'
import { create, encode, heddle } from '@heddle/proto'
import type { HeddleNetwork } from './heddle-network.ts'

/** Longest wait for an answer. */
const requestMs = 20_000

interface Identity {
  readonly mspId: string
  readonly certificate: string
  readonly key: string
}

interface Tls {
  readonly certificate: Buffer
  readonly key: Buffer
}

/**
 * A client that is Fabric's own in every part that Heddle has too: `@hyperledger/fabric-protos`
 * encodes and decodes, `fabric-common` signs and broadcasts, its generated client receives.
 */
export class OfficialClient {
  readonly #network: HeddleNetwork
  readonly #identity: Identity
  readonly #user: User
  readonly #tls: Tls
  readonly #committers: Committer[] = []

  private constructor(network: HeddleNetwork, identity: Identity, tls: Tls) {
    this.#network = network
    this.#identity = identity
    this.#tls = tls
    this.#user = User.createUser('client', '', identity.mspId, identity.certificate, identity.key)
  }

  /** A client that has the identity of the network's client. */
  static async of(network: HeddleNetwork): Promise<OfficialClient> {
    const { client } = network.descriptor
    const only = async (folder: string): Promise<string> => {
      const [file = ''] = await readdir(join(network.dir, client.msp, folder))
      return (await network.read(join(client.msp, folder, file))).toString()
    }
    const identity = {
      mspId: client.mspId,
      certificate: await only('signcerts'),
      key: await only('keystore'),
    }
    const tls = {
      certificate: await network.read(client.tlsCertificate),
      key: await network.read(client.tlsKey),
    }
    return new OfficialClient(network, identity, tls)
  }

  /** A record to be kept, as a transaction. What is inside is Heddle's own: nobody else encodes it. */
  transaction(record: object): { txId: string; envelope: common.Envelope } {
    const input = Buffer.from(JSON.stringify(record))
    const call = create(heddle.TransactionSchema, { contract: 'records', input })
    return this.#envelope(common.HeaderType.MESSAGE, encode(heddle.TransactionSchema, call))
  }

  /** Bytes of any kind in a signed envelope of the channel. */
  #envelope(type: number, data: Uint8Array): { txId: string; envelope: common.Envelope } {
    const creator = new msp.SerializedIdentity()
    creator.setMspid(this.#identity.mspId)
    creator.setIdBytes(Buffer.from(this.#identity.certificate))
    const signatureHeader = new common.SignatureHeader()
    signatureHeader.setCreator(creator.serializeBinary())
    signatureHeader.setNonce(randomBytes(24))
    const txId = createHash('sha256')
      .update(signatureHeader.getNonce_asU8())
      .update(signatureHeader.getCreator_asU8())
      .digest('hex')
    const channelHeader = new common.ChannelHeader()
    channelHeader.setType(type)
    channelHeader.setTxId(txId)
    channelHeader.setChannelId(this.#network.descriptor.channelId)
    channelHeader.setTimestamp(Timestamp.fromDate(new Date()))
    channelHeader.setTlsCertHash(this.#tlsHash())
    const header = new common.Header()
    header.setChannelHeader(channelHeader.serializeBinary())
    header.setSignatureHeader(signatureHeader.serializeBinary())
    const payload = new common.Payload()
    payload.setHeader(header)
    payload.setData(data)
    const envelope = new common.Envelope()
    envelope.setPayload(payload.serializeBinary())
    const message = Buffer.from(envelope.getPayload_asU8())
    envelope.setSignature(this.#user.getSigningIdentity().sign(message, undefined))
    return { txId, envelope }
  }

  /** Hands an envelope to one validator, as Fabric's SDK does. */
  async broadcast(validator: number, envelope: common.Envelope): Promise<string> {
    const { orderer: address, tlsRoots } = this.#validator(validator)
    const client = new Client('interop')
    client.setTlsClientCertAndKey(this.#tls.certificate.toString(), this.#tls.key.toString())
    const endpoint = client.newEndpoint({
      url: `grpcs://${address}`,
      pem: (await this.#network.read(tlsRoots)).toString(),
      clientCert: this.#tls.certificate.toString(),
      clientKey: this.#tls.key.toString(),
      'ssl-target-name-override': 'localhost',
      requestTimeout: requestMs,
    })
    const committer = client.newCommitter(`validator${validator}`, this.#identity.mspId)
    this.#committers.push(committer)
    await committer.connect(endpoint)
    const message = { payload: envelope.getPayload_asU8(), signature: envelope.getSignature_asU8() }
    const answer = (await committer.sendBroadcast(message as unknown as Buffer)) as {
      status: string
    }
    return answer.status
  }

  /** Every block that one validator has, from block 0 on. */
  async blocks(validator: number): Promise<common.Block[]> {
    const seek = new orderer.SeekInfo()
    const first = new orderer.SeekPosition()
    const start = new orderer.SeekSpecified()
    start.setNumber(0)
    first.setSpecified(start)
    const last = new orderer.SeekPosition()
    last.setNewest(new orderer.SeekNewest())
    seek.setStart(first)
    seek.setStop(last)
    seek.setBehavior(orderer.SeekInfo.SeekBehavior.BLOCK_UNTIL_READY)
    const { envelope } = this.#envelope(common.HeaderType.DELIVER_SEEK_INFO, seek.serializeBinary())
    const { orderer: address, tlsRoots } = this.#validator(validator)
    const roots = await this.#network.read(tlsRoots)
    const client = new orderer.AtomicBroadcastClient(
      address,
      credentials.createSsl(roots, this.#tls.key, this.#tls.certificate),
      { 'grpc.ssl_target_name_override': 'localhost' },
    )
    try {
      const call = client.deliver(null, { deadline: Date.now() + requestMs })
      call.write(envelope)
      const blocks: common.Block[] = []
      for await (const response of call as AsyncIterable<orderer.DeliverResponse>) {
        const block = response.getBlock()
        if (block === undefined) {
          if (response.getStatus() === common.Status.SUCCESS) break
          throw new Error(`deliver answers ${response.getStatus()}`)
        }
        blocks.push(block)
      }
      return blocks
    } finally {
      client.close()
    }
  }

  close(): void {
    for (const committer of this.#committers) committer.disconnect()
  }

  #validator(id: number): { readonly orderer: string; readonly tlsRoots: string } {
    const validator = this.#network.descriptor.validators[id]
    if (validator === undefined) throw new Error(`no validator ${id}`)
    return validator
  }

  /** SHA-256 of the TLS certificate (DER), which binds a request to its connection. */
  #tlsHash(): Buffer {
    const pem = this.#tls.certificate.toString()
    const body = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(pem)?.[1] ?? ''
    return createHash('sha256').update(Buffer.from(body, 'base64')).digest()
  }
}

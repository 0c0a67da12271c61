import { common, decode, heddle, msp, protos, timestampDate } from '@heddle/proto'

/** What the explorer gets to know about a transaction. */
export interface Line {
  readonly block: number
  /** Its place in the block, from 0. */
  readonly index: number
  readonly txId: string
  /** Name of the `common.HeaderType`. */
  readonly type: string
  /** Whose member signed it; empty in block 0. */
  readonly mspId: string
  /** Time that its creator gave, ISO 8601. */
  readonly at: string
  /** Name of the `protos.TxValidationCode`, such as VALID. */
  readonly code: string
  /** Heddle's contract and its input; absent in other transactions. */
  readonly contract?: string
  readonly input?: unknown
}

const empty = new Uint8Array()

/** A number in the header, as others may come. */
const messageType: number = common.HeaderType.MESSAGE

/** Index of the metadata slot with one validation code for each transaction. */
const filterSlot = 2

/** The transactions of a verified block as lines of JSON. */
export function linesOf({ header, data, metadata }: common.Block): string[] {
  const codes = metadata?.metadata[filterSlot] ?? empty
  return (data?.data ?? []).map((envelope, index) => {
    // A block without codes holds a configuration: it is valid, or it would not have been ordered.
    const code = protos.TxValidationCode[codes[index] ?? protos.TxValidationCode.VALID] ?? 'UNKNOWN'
    const line: Line = { block: Number(header?.number), index, ...factsIn(envelope), code }
    return `${JSON.stringify(line)}\n`
  })
}

type Facts = Omit<Line, 'block' | 'index' | 'code'>

/** What is in a block was agreed on, but need not be an envelope: then its line says so. */
function factsIn(bytes: Uint8Array): Facts {
  try {
    return factsOf(bytes)
  } catch {
    return { txId: '', type: 'UNREADABLE', mspId: '', at: '' }
  }
}

function factsOf(envelope: Uint8Array): Facts {
  const { payload } = decode(common.EnvelopeSchema, envelope)
  const { header, data } = decode(common.PayloadSchema, payload)
  const channel = decode(common.ChannelHeaderSchema, header?.channelHeader ?? empty)
  const { creator } = decode(common.SignatureHeaderSchema, header?.signatureHeader ?? empty)
  const { txId, type, timestamp } = channel
  return {
    txId,
    type: common.HeaderType[type] ?? `type ${type}`,
    mspId: decode(msp.SerializedIdentitySchema, creator).mspid,
    at: timestamp === undefined ? '' : timestampDate(timestamp).toISOString(),
    ...(type === messageType ? callIn(data) : {}),
  }
}

/** A message may be anything; ours is a call of a contract. */
function callIn(data: Uint8Array): Pick<Line, 'contract' | 'input'> {
  try {
    const { contract, input } = decode(heddle.TransactionSchema, data)
    return { contract, input: JSON.parse(Buffer.from(input).toString()) as unknown }
  } catch {
    return {}
  }
}

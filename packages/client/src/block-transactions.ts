import { common, decode, heddle, protos } from '@heddle/proto'
import { rulesNumberOf } from './block-content.ts'
import { ClientError } from './errors.ts'
import { sentenceOf } from './sentences.ts'
import { signedContentOf } from './signed-content.ts'

const valid: number = protos.TxValidationCode.VALID

/** The rules by which blocks can be read: later ones may mean something else by the same codes. */
export const readableRules: readonly number[] = [1, 2]

/** What the chain says about a transaction. */
export interface Verdict {
  readonly block: bigint
  readonly accepted: boolean
  /** Why it was rejected, in words for people. */
  readonly reason?: string
  /** The same for programs: a `heddle.RejectionCode`; 0 in blocks by rules 1, which have words only. */
  readonly code?: number
}

/** A transaction as a block holds it. */
export interface BlockTransaction extends Verdict {
  /** As the channel header names it; a validator has checked it. */
  readonly txId: string
  readonly type: number
}

function headerOf(envelope: Uint8Array): common.ChannelHeader {
  const { payload } = decode(common.EnvelopeSchema, envelope)
  const { header } = decode(common.PayloadSchema, payload)
  return decode(common.ChannelHeaderSchema, header?.channelHeader ?? new Uint8Array())
}

function refuseUnknownRules(rules: number, block: bigint): void {
  if (readableRules.includes(rules)) return
  const known = readableRules.join(', ')
  const what = `block ${block} needs rules ${rules}; this software knows ${known}`
  throw new ClientError('CLIENT_UNKNOWN_RULES', what)
}

/** Codes and reasons of a block, as its quorum signed them. */
function outcomesOf(block: common.Block, number: bigint) {
  const { proof, filter, results } = signedContentOf(block)
  refuseUnknownRules(rulesNumberOf(proof), number)
  const { rejections } = decode(heddle.TransactionResultsSchema, results)
  return { filter, rejections: new Map(rejections.map((each) => [each.index, each])) }
}

/** The genesis block is not anybody’s transaction: nothing of it was rejected. */
const genesisOutcomes = {
  filter: Uint8Array.of(valid),
  rejections: new Map<number, heddle.Rejection>(),
}

/**
 * The transactions of a verified block, with what became of them.
 * @throws {ClientError} CLIENT_BLOCK_ALTERED, CLIENT_UNKNOWN_RULES
 */
export function transactionsOf(block: common.Block): BlockTransaction[] {
  const number = block.header?.number ?? 0n
  const { filter, rejections } = number === 0n ? genesisOutcomes : outcomesOf(block, number)
  return (block.data?.data ?? []).map((envelope, index) => {
    const { txId, type } = headerOf(envelope)
    const rejection = rejections.get(index)
    return {
      txId,
      type,
      block: number,
      accepted: filter[index] === valid,
      ...(rejection && { reason: sentenceOf(rejection), code: rejection.code }),
    }
  })
}

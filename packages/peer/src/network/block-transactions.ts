import { common, decode, heddle, protos } from '@heddle/proto'
import { signedContentOf } from '../engine/as-signed.ts'
import { rulesNumberOf } from '../engine/candidate.ts'
import { rulesOf } from '../rules/known-rules.ts'
import { sentenceOf } from '../rules/sentences.ts'
import type { Verdict } from './submissions.ts'

const valid: number = protos.TxValidationCode.VALID

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

/** Codes and reasons of a block, as its quorum signed them. */
function outcomesOf(block: common.Block, number: bigint) {
  const { proof, filter, results } = signedContentOf(block)
  // Later rules may mean something else by the same codes.
  rulesOf(rulesNumberOf(proof), number)
  const { rejections } = decode(heddle.TransactionResultsSchema, results)
  return { filter, reasons: new Map(rejections.map((each) => [each.index, sentenceOf(each)])) }
}

/** The genesis block is not anybody’s transaction: nothing of it was rejected. */
const genesisOutcomes = { filter: Uint8Array.of(valid), reasons: new Map<number, string>() }

/**
 * The transactions of a verified block, with what became of them.
 * @throws {PeerError} PEER_BLOCK_ALTERED, PEER_UNKNOWN_RULES
 */
export function transactionsOf(block: common.Block): BlockTransaction[] {
  const number = block.header?.number ?? 0n
  const { filter, reasons } = number === 0n ? genesisOutcomes : outcomesOf(block, number)
  return (block.data?.data ?? []).map((envelope, index) => {
    const { txId, type } = headerOf(envelope)
    const reason = reasons.get(index)
    return {
      txId,
      type,
      block: number,
      accepted: filter[index] === valid,
      ...(reason === undefined ? {} : { reason }),
    }
  })
}

import { common, decode, heddle, protos } from '@heddle/proto'
import { resultsOf } from '../engine/candidate.ts'
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

/** The transactions of a verified block, with what became of them. */
export function transactionsOf(block: common.Block): BlockTransaction[] {
  const { filter, results } = resultsOf(block)
  const { rejections } = decode(heddle.TransactionResultsSchema, results)
  const reasons = new Map(rejections.map((each) => [each.index, sentenceOf(each)]))
  return (block.data?.data ?? []).map((envelope, index) => {
    const { txId, type } = headerOf(envelope)
    const reason = reasons.get(index)
    return {
      txId,
      type,
      block: block.header?.number ?? 0n,
      accepted: filter[index] === valid,
      ...(reason === undefined ? {} : { reason }),
    }
  })
}

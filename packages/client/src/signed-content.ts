import {
  blockProofOf,
  encodeFinished,
  resultsDigest,
  resultsOf,
  signaturesOf,
  signedValueOf,
} from './block-content.ts'
import { ClientError } from './errors.ts'
import type { BlockCheck } from '@heddle/deliver'
import type { Received, common, heddle } from '@heddle/proto'
import type { Results } from './block-content.ts'

/** What the quorum of a block agreed on besides its transactions. */
export interface SignedContent extends Results {
  readonly proof: heddle.BlockProof
}

function altered(block: common.Block, how: string): ClientError {
  const number = block.header?.number ?? 0n
  return new ClientError('CLIENT_BLOCK_ALTERED', `block ${number} ${how}`)
}

/**
 * The codes and results of a block, which stand where no signature covers them: only if they have the
 * digest that its quorum signed. There is no other way to read them.
 *
 * @param block - not the genesis block, which has none; its signatures are checked elsewhere
 * @throws {ClientError} CLIENT_BLOCK_ALTERED; `ProtoMalformedError` when slot 0 is damaged
 */
export function signedContentOf(block: common.Block): SignedContent {
  const proof = blockProofOf(block)
  const results = resultsOf(block)
  const envelopes = block.data?.data.length ?? 0
  // The digest does not say where the codes end and the results begin: their number does.
  if (results.filter.length !== envelopes)
    throw altered(block, `has ${results.filter.length} codes for ${envelopes} transactions`)
  if (Buffer.compare(resultsDigest(results), proof.resultsDigest) !== 0)
    throw altered(block, 'holds codes or results that its quorum did not sign')
  return { proof, ...results }
}

/**
 * Checks a block that somebody else gave, whose signatures satisfy the channel: it has no byte that
 * does not follow from what was signed, and no signature that is not good.
 *
 * @param goodSigners - how many distinct consenters signed it well
 * @throws {ClientError} CLIENT_BLOCK_ALTERED; `ProtoMalformedError` when slot 0 is damaged
 */
export function checkAsSigned(
  { message, bytes }: Received<common.Block>,
  goodSigners: number,
): SignedContent {
  const content = signedContentOf(message)
  const signatures = signaturesOf(message)
  if (signatures.length !== goodSigners)
    throw altered(message, `has ${signatures.length} signatures, ${goodSigners} of them good`)
  const finished = { block: message, value: signedValueOf(message), ...content, signatures }
  if (Buffer.compare(encodeFinished(finished), bytes) !== 0)
    throw altered(message, 'holds metadata that its quorum did not sign')
  return content
}

/** For whoever pulls blocks: {@link checkAsSigned}; block 0 is the trusted one to the last byte. */
export function blockCheck(genesis: Uint8Array): BlockCheck {
  return (block, goodSigners) => {
    if (block.message.header?.number !== 0n) checkAsSigned(block, goodSigners)
    else if (Buffer.compare(block.bytes, genesis) !== 0)
      throw altered(block.message, 'is not the genesis block that is trusted')
  }
}

import type { ChannelConfig } from '@heddle/channel'
import { type SignedData, collectSignersAsync } from '@heddle/msp'
import {
  type Received,
  blockDataHash,
  blockHeaderBytes,
  blockHeaderHash,
  blockSignaturePreimage,
  common,
  decode,
  encode,
  isConfigBlock,
} from '@heddle/proto'
import { BlockError } from './errors.ts'

/** Where a channel stands: what its next block must look like. Never changed, only replaced. */
export interface Position {
  /** The next block's number. */
  readonly next: bigint
  /** The next block's previous hash; undefined when the block before is not known. */
  readonly previousHash: Uint8Array | undefined
  /** The configuration under which the next block is signed. */
  readonly config: ChannelConfig
  /** Only before block 0, which nobody signs: the header hash that it must have. */
  readonly genesisHash?: Uint8Array
}

/** A header that is there. */
export type HeaderOf = NonNullable<common.Block['header']>

/**
 * Slots that a block must have, filled or not: those of the first blocks that Fabric wrote. v1 wrote 4;
 * v2 and v3 write 5, which v3 alone demands of old blocks too.
 */
const leastMetadataSlots = 3

/** LAST_CONFIG, deprecated since the signed value says it. */
const lastConfigSlot = 1

/** More signatures on one block are refused unseen: each costs a verification. */
export const maxBlockSignatures = 1024

/**
 * Checks everything about a block but its transactions and signatures: that it is the next block.
 *
 * @returns its header
 * @throws {BlockError} DELIVER_BLOCK_MALFORMED, DELIVER_BLOCK_NUMBER, DELIVER_PREVIOUS_HASH,
 *   DELIVER_BLOCK_METADATA, DELIVER_LAST_CONFIG
 * @see fabric v3.1.5 common/deliverclient/block_verification.go, for the order of the checks
 */
export function checkPlace(block: common.Block, position: Position): HeaderOf {
  const { next, previousHash, config } = position
  const { header } = block
  if (!header) throw new BlockError('DELIVER_BLOCK_MALFORMED', 'a block without a header')
  if (header.number !== next) {
    throw new BlockError(
      'DELIVER_BLOCK_NUMBER',
      `got block ${String(header.number)}, expected block ${String(next)}`,
    )
  }
  if (previousHash && Buffer.compare(previousHash, header.previousHash) !== 0) {
    throw new BlockError(
      'DELIVER_PREVIOUS_HASH',
      `block ${String(next)} has previous hash ${hex(header.previousHash)}, but the block before it has hash ${hex(previousHash)}`,
    )
  }
  const slots = block.metadata?.metadata.length ?? 0
  if (slots < leastMetadataSlots) {
    throw new BlockError(
      'DELIVER_BLOCK_METADATA',
      `block ${String(next)} has ${slots} metadata slots, not ${leastMetadataSlots} or more`,
    )
  }
  if (!position.genesisHash) checkLastConfig(block, header, config)
  return header
}

/**
 * Checks that a block names the configuration in force: a configuration block itself, any other the
 * one that it is signed under.
 *
 * @throws {BlockError} DELIVER_LAST_CONFIG, DELIVER_BLOCK_METADATA
 * @see fabric v3.1.5 orderer/common/multichannel/blockwriter.go (addLastConfig), and v1.4.0, which
 *   wrote the same into slot 1
 */
function checkLastConfig(block: common.Block, { number }: HeaderOf, config: ChannelConfig): void {
  const named = lastConfigOf({ message: block })
  const inForce = isConfigBlock(block) ? number : config.blockNumber
  if (named === inForce) return
  const message = `block ${String(number)} names block ${String(named)} as its last configuration, but that is block ${String(inForce)}`
  throw new BlockError('DELIVER_LAST_CONFIG', message)
}

/**
 * Checks a block's transactions: that there are some, that each is an envelope in the one form
 * that Fabric's encoder writes, and that their hash is the header's.
 *
 * Another encoding of the same envelope would have another hash yet mean the same: whoever could
 * choose among them could make blocks that some peers take and others refuse.
 *
 * @throws {BlockError} DELIVER_TRANSACTIONS, DELIVER_DATA_HASH
 * @see fabric v3.1.5 protoutil/blockutils.go (VerifyTransactionsAreWellFormed)
 */
export function checkData(block: common.Block, header: HeaderOf): void {
  const transactions = block.data?.data ?? []
  const number = String(header.number)
  if (transactions.length === 0) throw malformed(number, 'it has no transactions')
  if (!isConfigBlock(block)) {
    transactions.forEach((bytes, index) => {
      const fault = transactionFault(bytes)
      if (fault) throw malformed(number, `transaction ${index} ${fault}`)
    })
  }
  const actual = blockDataHash(transactions)
  if (actual.equals(header.dataHash)) return
  throw new BlockError(
    'DELIVER_DATA_HASH',
    `block ${number} has data hash ${hex(header.dataHash)}, but its data has hash ${hex(actual)}`,
  )
}

/**
 * Checks that block 0 is the one that is trusted.
 *
 * @throws {BlockError} DELIVER_GENESIS
 */
export function checkGenesis(header: HeaderOf, genesisHash: Uint8Array): void {
  const actual = blockHeaderHash(header)
  if (actual.equals(genesisHash)) return
  const message = `block 0 has hash ${hex(actual)}, not the trusted hash ${hex(genesisHash)}`
  throw new BlockError('DELIVER_GENESIS', message)
}

function transactionFault(bytes: Uint8Array): string | undefined {
  let envelope: common.Envelope
  try {
    envelope = decode(common.EnvelopeSchema, bytes)
  } catch {
    return 'is not an envelope'
  }
  if (envelope.payload.length === 0) return 'has no payload'
  if (envelope.signature.length === 0) return 'has no signature'
  return encode(common.EnvelopeSchema, envelope).equals(bytes)
    ? undefined
    : 'is not in its canonical encoding'
}

/**
 * Checks a block's signatures against the channel's policy, on the thread pool.
 *
 * @returns how many distinct members signed it well
 * @throws {BlockError} DELIVER_BLOCK_METADATA when slot 0 is malformed, DELIVER_SIGNATURES when the
 *   policy is not satisfied
 */
export async function checkSignatures(
  block: common.Block,
  header: HeaderOf,
  config: ChannelConfig,
): Promise<number> {
  const signed = signaturesOf(block, header, config)
  const signers = await collectSignersAsync(signed, config.rules.msps)
  const policy = config.rules.policy('/Channel/Orderer/BlockValidation')
  const refusal = policy ? policy.refusal(signers) : 'there is no policy for block signatures'
  if (refusal === undefined) return signers.length
  throw new BlockError(
    'DELIVER_SIGNATURES',
    `block ${String(header.number)} has ${signers.length} good signatures: ${refusal}`,
  )
}

/** What each signature of slot 0 signs, and who claims to have made it. */
function signaturesOf(block: common.Block, header: HeaderOf, config: ChannelConfig): SignedData[] {
  const headerBytes = blockHeaderBytes(header)
  try {
    const { value, signatures } = decode(common.MetadataSchema, signaturesSlot(block))
    if (signatures.length > maxBlockSignatures) {
      throw new BlockError(
        'DELIVER_BLOCK_METADATA',
        `${signatures.length} signatures on one block; at most ${maxBlockSignatures} are allowed`,
      )
    }
    return signatures.flatMap((entry) => {
      const signer = signerOf(entry, config)
      if (!signer) return []
      const data = blockSignaturePreimage(value, signer.header, headerBytes)
      return [{ identity: signer.identity, data, signature: entry.signature }]
    })
  } catch (cause) {
    if (cause instanceof BlockError) throw cause
    const message = `the signatures of block ${String(header.number)} cannot be decoded`
    throw new BlockError('DELIVER_BLOCK_METADATA', message, { cause })
  }
}

/** The signer by id (BFT form) or by identity (CFT form); undefined for an id nobody has. */
function signerOf(
  { signatureHeader, identifierHeader }: common.MetadataSignature,
  { bft, consenters }: ChannelConfig,
): { header: Uint8Array; identity: Uint8Array } | undefined {
  if (bft && signatureHeader.length === 0 && identifierHeader.length > 0) {
    const { identifier } = decode(common.IdentifierHeaderSchema, identifierHeader)
    const consenter = consenters.get(identifier)
    return consenter && { header: identifierHeader, identity: consenter.identity }
  }
  const { creator } = decode(common.SignatureHeaderSchema, signatureHeader)
  return { header: signatureHeader, identity: creator }
}

/** The position after a block, but for a configuration that it may bring. */
export function positionAfter(header: HeaderOf, config: ChannelConfig): Position {
  return { next: header.number + 1n, previousHash: blockHeaderHash(header), config }
}

/**
 * The number of the configuration block under which the block after this one is signed: in the value
 * that the signatures of slot 0 cover, or, where that is empty as up to Fabric v1.4.0, in slot 1, which
 * they do not cover.
 *
 * @param block - a block with its metadata, as stored or delivered
 * @throws {BlockError} DELIVER_BLOCK_METADATA when the metadata does not say
 * @see fabric v3.1.5 protoutil/blockutils.go (GetLastConfigIndexFromBlock)
 */
export function lastConfigOf({ message: block }: Pick<Received<common.Block>, 'message'>): bigint {
  const signatures = signaturesSlot(block)
  const slot1 = block.metadata?.metadata[lastConfigSlot]
  try {
    const { value } = decode(common.MetadataSchema, signatures)
    if (value.length > 0) {
      const { lastConfig } = decode(common.OrdererBlockMetadataSchema, value)
      if (lastConfig) return lastConfig.index
    } else if (slot1) {
      const old = decode(common.MetadataSchema, slot1)
      return decode(common.LastConfigSchema, old.value).index
    }
  } catch (cause) {
    throw unknownConfig(cause)
  }
  throw unknownConfig(undefined)
}

function signaturesSlot(block: common.Block): Uint8Array {
  return block.metadata?.metadata[common.BlockMetadataIndex.SIGNATURES] ?? new Uint8Array()
}

function unknownConfig(cause: unknown): BlockError {
  const message = 'the block does not name its configuration block'
  return new BlockError('DELIVER_BLOCK_METADATA', message, { cause })
}

function malformed(number: string, why: string): BlockError {
  return new BlockError('DELIVER_TRANSACTIONS', `block ${number}: ${why}`)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

import { expect } from 'chai'
import fc from 'fast-check'
import {
  ChainFollower,
  blockCheck,
  blockProofOf,
  checkAsSigned,
  encodeFinished,
  readableRules,
  signaturesOf,
  signedContentOf,
  signedValueOf,
  transactionsOf,
} from '@heddle/client'
import { createBlockVerifier } from '@heddle/deliver'
import { systemClock } from '@heddle/events'
import { isCodedError } from '@heddle/interface'
import { common, create, decode, encode, heddle, receive } from '@heddle/proto'
import { reexecute, reexecuteReceived } from '../../src/engine/replay.ts'
import { Submissions } from '../../src/network/submissions.ts'
import { knownRules, newestRules } from '../../src/rules/known-rules.ts'
import { channelId } from '../support/channel.ts'
import { clientOf, serveBlocks, signedChain } from '../support/signed-chain.ts'
import type { VerifiedBlock } from '@heddle/client'
import type { BlockVerifier } from '@heddle/deliver'
import type { OrdererServer } from '@heddle/orderer'
import type { Received } from '@heddle/proto'
import type { SignedChain } from '../support/signed-chain.ts'

type Block = Received<common.Block>

/** The bytes with one of them replaced, and how they decode; undefined when they do not. */
function withByte({ bytes }: Block, at: number, value: number): Block | undefined {
  const copy = Uint8Array.from(bytes)
  copy[at] = value
  return received(copy)
}

function received(bytes: Uint8Array): Block | undefined {
  try {
    return receive(common.BlockSchema, bytes)
  } catch {
    return undefined
  }
}

/** The same block, with something in its metadata changed. */
function altered(block: Block, change: (metadata: Uint8Array[]) => void): Block {
  const copy = decode(common.BlockSchema, Uint8Array.from(block.bytes))
  change(copy.metadata!.metadata)
  return receive(common.BlockSchema, encode(common.BlockSchema, copy))
}

/** All that a source has changed so far, and what else it could. */
const lies: Readonly<Record<string, (block: Block) => Block>> = {
  'other codes': (block) => altered(block, (slots) => void (slots[2] = Buffer.of(255, 0, 0))),
  'no codes': (block) => altered(block, (slots) => void (slots[2] = new Uint8Array())),
  'a code taken from the results': (block) =>
    altered(block, (slots) => {
      slots[2] = Buffer.concat([slots[2]!, slots[5]!.subarray(0, 1)])
      slots[5] = slots[5]!.subarray(1)
    }),
  'other results': (block) => altered(block, (slots) => void (slots[5] = new Uint8Array())),
  'something in a slot that is empty': (block) =>
    altered(block, (slots) => void (slots[3] = Buffer.from('more'))),
  'a further slot': (block) => altered(block, (slots) => void slots.push(Buffer.alloc(1000))),
  'an empty further slot': (block) => altered(block, (slots) => void slots.push(new Uint8Array())),
  'an unknown field': ({ bytes }) =>
    receive(common.BlockSchema, Buffer.concat([bytes, Buffer.from('ba1f0178', 'hex')])),
  'a signature that is none': (block) =>
    altered(block, (slots) => {
      const slot = decode(common.MetadataSchema, slots[0]!)
      const entry = { ...slot.signatures[0]!, signature: Buffer.from('none') }
      slot.signatures.push(create(common.MetadataSignatureSchema, entry))
      slots[0] = encode(common.MetadataSchema, slot)
    }),
  'a signature twice': (block) =>
    altered(block, (slots) => {
      const slot = decode(common.MetadataSchema, slots[0]!)
      slot.signatures.push(slot.signatures[0]!)
      slots[0] = encode(common.MetadataSchema, slot)
    }),
}

for (const rules of knownRules)
  describe(`a block by rules ${rules}, as its quorum signed it`, function () {
    this.timeout(120_000)
    let chain: SignedChain
    let verifier: BlockVerifier
    before(async () => {
      chain = await signedChain(rules)
      verifier = createBlockVerifier({
        channelId,
        configBlock: chain.channel.block,
        checkBlock: blockCheck(chain.channel.genesis),
      })
    })

    const verify = (block: Block): Promise<void> => verifier.verify(block)

    const accepted = (block: Block): Promise<boolean> =>
      verify(block).then(
        () => true,
        () => false,
      )

    it('is accepted, and is executed to what it says', async () => {
      await verify(chain.block)
      const { execution } = reexecuteReceived(chain.deps, chain.block)
      const { filter, results } = signedContentOf(chain.block.message)
      expect(execution).to.deep.include({ filter, results })
      expect(transactionsOf(chain.block.message).map((each) => each.accepted)).to.deep.equal([
        true,
        false,
        false,
      ])
    })

    it('is refused when any one of its bytes is another', async () => {
      for (let at = 0; at < chain.block.bytes.length; at++) {
        const forged = withByte(chain.block, at, chain.block.bytes[at]! ^ (1 << (at % 8)))
        if (forged === undefined) continue
        expect(await accepted(forged), `byte ${at} is another`).to.equal(false)
      }
    })

    it('is refused with any bytes changed, put in or left out', async () => {
      const { bytes } = chain.block
      const edits = fc.record({
        at: fc.nat(bytes.length),
        out: fc.nat(3),
        put: fc.uint8Array({ maxLength: 4 }),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(edits, { minLength: 1, maxLength: 3 }), async (list) => {
          const forged = list.reduce<Buffer>(
            (given, { at, out, put }) =>
              Buffer.concat([given.subarray(0, at), put, given.subarray(at + out)]),
            Buffer.from(bytes),
          )
          const block = received(forged)
          fc.pre(block !== undefined && !forged.equals(bytes))
          return !(await accepted(block))
        }),
        { numRuns: 200, seed: 9 },
      )
    })

    it('is refused by whoever executes it again, when any byte is another that is not signed', () => {
      // Signatures and what they sign: whoever pulled the block has checked them.
      const checked = (message: common.Block): string =>
        JSON.stringify([signaturesOf(message), signedValueOf(message)])
      const good = checked(chain.block.message)
      for (let at = 0; at < chain.block.bytes.length; at++) {
        const forged = withByte(chain.block, at, chain.block.bytes[at]! ^ (1 << (at % 8)))
        if (forged === undefined) continue
        try {
          if (checked(forged.message) !== good) continue
          reexecuteReceived(chain.deps, forged)
        } catch {
          continue
        }
        expect.fail(`took a block with another byte ${at}`)
      }
    })

    for (const [what, lie] of Object.entries(lies)) {
      it(`is refused with ${what}`, async () => {
        const forged = lie(chain.block)
        const failure: unknown = await verify(forged).then(
          () => undefined,
          (error: unknown) => error,
        )
        expect(isCodedError(failure, 'DELIVER_BLOCK_REFUSED'), String(failure)).to.equal(true)
        const { cause } = failure as Error
        expect(isCodedError(cause, 'CLIENT_BLOCK_ALTERED'), String(cause)).to.equal(true)
        expect(String(cause)).to.match(/block 1 (has|holds) /)
      })
    }

    it('gives nobody codes or results that it does not have the digest of', () => {
      for (const what of ['other codes', 'other results', 'a code taken from the results']) {
        const { message } = lies[what]!(chain.block)
        for (const read of [
          () => signedContentOf(message),
          () => transactionsOf(message),
          () => reexecute(chain.deps, message),
        ])
          expect(read, what)
            .to.throw(/block 1/)
            .with.property('code', 'CLIENT_BLOCK_ALTERED')
      }
    })
  })

describe('block 0', () => {
  it('is the trusted one to the last byte', async () => {
    const { channel } = await signedChain(newestRules)
    const check = blockCheck(channel.genesis)
    const block = receive(common.BlockSchema, channel.genesis)
    check(block, 0)
    const forged = altered(block, (slots) => void slots.push(Buffer.from('x')))
    expect(() => check(forged, 0))
      .to.throw('block 0 is not the genesis block that is trusted')
      .with.property('code', 'CLIENT_BLOCK_ALTERED')
  })
})

describe('a block by rules that are not known', () => {
  it('is none by rules that validators know', () => {
    expect(readableRules).to.deep.equal(knownRules)
  })

  it('is read by nobody: what its codes mean is not known either', async () => {
    const { block } = await signedChain(newestRules)
    const { filter, results, proof } = checkAsSigned(block, 3)
    const rules = newestRules + 1
    const consenterMetadata = encode(
      heddle.BlockProofSchema,
      create(heddle.BlockProofSchema, { ...proof, rules }),
    )
    const value = encode(
      common.OrdererBlockMetadataSchema,
      create(common.OrdererBlockMetadataSchema, { lastConfig: { index: 0n }, consenterMetadata }),
    )
    const { message } = block
    const bytes = encodeFinished({ block: message, value, filter, results, signatures: [] })
    const newer = decode(common.BlockSchema, bytes)
    expect(blockProofOf(newer).rules).to.equal(rules)
    expect(() => transactionsOf(newer))
      .to.throw(`block 1 needs rules ${rules}`)
      .with.property('code', 'CLIENT_UNKNOWN_RULES')
  })
})

/** As long as deliver asks no endpoint that has lied, at most. */
const longestSuspicionMs = 10 * 60_000

describe('ChainFollower', function () {
  this.timeout(120_000)
  const servers: OrdererServer[] = []
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop({ signal: AbortSignal.abort() })
  })

  it('learns from a source that lies in ever new ways nothing but what was signed', async () => {
    const { channel, block } = await signedChain(newestRules)
    const forged = Object.values(lies).map((lie) => lie(block).bytes)
    for (let at = 0; at < block.bytes.length; at += 100)
      forged.push(withByte(block, at, block.bytes[at]! ^ 1)?.bytes ?? block.bytes.subarray(0, at))
    let asked = 0
    servers.push(
      await serveBlocks((number) => {
        if (number === 0n) return channel.genesis
        return forged[asked++] ?? block.bytes
      }),
    )
    const client = await clientOf(servers, channel.genesis)
    const submissions = new Submissions()
    const [mine] = transactionsOf(block.message)
    const submission = { line: 1, txId: mine!.txId, contract: 'records' }
    submissions.add(submission, 0)
    // Nothing that it waits for after a lie takes time, and each time the liar's suspicion is over.
    let skippedMs = 0
    const hurried = {
      now: () => systemClock.now() + skippedMs,
      wallTime: () => systemClock.wallTime(),
      schedule: (ms: number, task: () => void) => {
        if (ms < 2000) skippedMs += longestSuspicionMs
        return systemClock.schedule(ms < 2000 ? 0 : ms, task)
      },
    }
    const failed = new AbortController()
    const onBlock = (verified: VerifiedBlock): void => submissions.seenBlock(verified, 0)
    const follower = new ChainFollower({ client, clock: hurried, onBlock }, (error) =>
      failed.abort(error),
    )
    follower.start(1n)
    await submissions.allSeen(failed.signal)
    await follower.stop()
    expect(asked, 'every lie was told').to.be.greaterThan(forged.length)
    const all = [...submissions.all()]
    expect(all).to.deep.equal([
      {
        submission,
        verdict: { txId: mine!.txId, type: mine!.type, block: 1n, accepted: true },
        seen: 1,
      },
    ])
  })
})

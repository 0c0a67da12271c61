import { expect } from 'chai'
import { VirtualClock } from '@heddle/events/testing'
import { signBlock } from '@heddle/orderer'
import {
  ProtoMalformedError,
  blockMetadata,
  buildBlock,
  common,
  create,
  encode,
  heddle,
  ordererMetadataValue,
} from '@heddle/proto'
import { Conditions } from '../../src/node/conditions.ts'
import { forkOf, readSignedHeader, signedHeaderOf, signersOf } from '../../src/node/fork.ts'
import {
  ForkWatch,
  maxSignedHeaderBytes,
  tellIntervalMs,
  tellings,
} from '../../src/node/fork-watch.ts'
import { createValidatorVerifier } from '../../src/node/validator-verifier.ts'
import { testChannel, testMembers } from '../support/channel.ts'
import { eventually } from '../support/eventually.ts'
import { RecordingLogger } from '../support/recording-logger.ts'

const parts = ({ header, data }: common.Block) => ({
  ...(header && { header }),
  ...(data && { data }),
})

/** Block `number` with this content, signed by these validators; `-1` signs as validator 0, falsely. */
async function signedBlock(
  number: bigint,
  content: string,
  signers: readonly number[] = [0, 1, 2],
): Promise<common.Block> {
  const { validators } = await testMembers()
  const block = buildBlock({
    number,
    previousHash: Buffer.alloc(32),
    envelopes: [Buffer.from(content)],
  })
  const value = ordererMetadataValue(0n, Buffer.from(content))
  const signatures = await Promise.all(
    signers.map((id) =>
      signBlock({ header: block.header!, value }, Math.max(id, 0) + 1, validators[Math.abs(id)]!),
    ),
  )
  const metadata = blockMetadata({
    signatures: { value, signatures },
    transactionsFilter: new Uint8Array(),
  })
  return create(common.BlockSchema, { ...parts(block), metadata: { metadata } })
}

const told = (block: common.Block): Uint8Array =>
  encode(heddle.SignedHeaderSchema, signedHeaderOf(block)!)

/** A validator with these blocks above block 0. */
async function watching(...blocks: common.Block[]) {
  const { config } = await testChannel(4)
  const clock = new VirtualClock()
  const sent: Uint8Array[] = []
  const logger = new RecordingLogger()
  const conditions = new Conditions({ clock, logger })
  const stored = [undefined, ...blocks]
  const verifier = createValidatorVerifier(config)
  let verified = 0
  let read = 0
  const watch = new ForkWatch({
    ledger: {
      height: BigInt(stored.length),
      block: (number) => {
        read++
        const block = stored[Number(number)]
        return Promise.resolve(block && encode(common.BlockSchema, block))
      },
    },
    n: 4,
    verifier: {
      verify: async (...args) => {
        const isValid = await verifier.verify(...args)
        verified++
        return isValid
      },
    },
    tell: (bytes) => sent.push(bytes),
    ...{ clock, conditions, logger },
  })
  await watch.start()
  await eventually('its last block is told', () => sent.length === 1)
  const failed = () => conditions.current.map(({ condition, reason }) => ({ condition, reason }))
  return { watch, clock, sent, logger, failed, verified: () => verified, read: () => read }
}

describe('the watch for forks', () => {
  it('tells the last block again and again, as it was signed, and no genesis block', async () => {
    const block = await signedBlock(1n, 'a')
    const { watch, clock, sent } = await watching(block)
    expect(sent[0]).to.deep.equal(told(block))
    await clock.advance(tellIntervalMs)
    await eventually('it is told again', () => sent.length === 2)
    await watch.stop()
    expect(clock.pending).to.equal(0)
  })

  it('says of another block of a number that a quorum signed: both hashes and who signed them', async () => {
    const [own, other] = [await signedBlock(1n, 'a'), await signedBlock(1n, 'b', [-1, 1, 2, 3])]
    const at = await watching(own)
    at.watch.receive(3, told(other))
    await eventually('the fork is seen', () => at.watch.isForked)
    const [mine, theirs] = [own, other].map(
      (block) => readSignedHeader(signedHeaderOf(block)!).hash,
    )
    const [failed] = at.failed()
    expect(failed).to.deep.equal({
      condition: 'fork',
      reason:
        `validator3 has another block 1 that a quorum signed: ${mine!.slice(0, 16)} here, ` +
        `signed by 0, 1, 2; ${theirs!.slice(0, 16)} there, signed by 1, 2, 3`,
    })
    expect(at.logger.lines).to.have.length(1)
    expect(at.logger.lines[0]?.fields).to.deep.include({
      ...{ block: 1n, ownHash: mine, otherHash: theirs, about: 'validator3' },
      ...{ ownSigners: [0, 1, 2], otherSigners: [1, 2, 3] },
    })
    await eventually('it shows its own, so that the other sees it, too', () => at.sent.length === 2)
    at.watch.receive(3, told(other))
    await at.clock.advance(0)
    expect(at.sent.length, 'once in an interval').to.equal(2)
    await at.watch.stop()
  })

  it('sees it in results alone, too', async () => {
    const own = await signedBlock(1n, 'a')
    const { validators } = await testMembers()
    const value = ordererMetadataValue(0n, Buffer.from('other results'))
    const signatures = await Promise.all(
      [0, 1, 2].map((id) => signBlock({ header: own.header!, value }, id + 1, validators[id]!)),
    )
    const metadata = blockMetadata({
      signatures: { value, signatures },
      transactionsFilter: new Uint8Array(),
    })
    const { watch } = await watching(own)
    watch.receive(2, told(create(common.BlockSchema, { ...parts(own), metadata: { metadata } })))
    await eventually('the fork is seen', () => watch.isForked)
    await watch.stop()
  })

  it('believes nothing that no quorum signed, compares no block that it lacks, and none of the genesis', async () => {
    const { config } = await testChannel(4)
    const verifier = createValidatorVerifier(config)
    const few = signedHeaderOf(await signedBlock(1n, 'b', [1, 2]))!
    expect(await signersOf(few, 4, verifier)).to.deep.equal([1, 2])
    const twice = signedHeaderOf(await signedBlock(1n, 'b', [1, 1, 2]))!
    expect(await signersOf(twice, 4, verifier), 'one twice').to.deep.equal([1, 2])
    const forged = { ...few, signatures: signedHeaderOf(await signedBlock(1n, 'c'))!.signatures }
    expect(await signersOf(forged, 4, verifier), 'of another block').to.deep.equal([])
    const at = await watching(await signedBlock(1n, 'a'))
    at.watch.receive(1, told(await signedBlock(1n, 'b', [1, 2])))
    at.watch.receive(2, told(await signedBlock(2n, 'b')))
    at.watch.receive(3, told(await signedBlock(0n, 'b')))
    await eventually('both signatures were looked at', () => at.verified() === 2)
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(at.failed()).to.deep.equal([])
    await at.watch.stop()
  })

  it('looks at nothing that is longer than any block of so many validators', async () => {
    const { watch } = await watching(await signedBlock(1n, 'a'))
    const most = maxSignedHeaderBytes(4)
    const long = (length: number): Uint8Array => {
      const header = encode(common.BlockHeaderSchema, create(common.BlockHeaderSchema))
      const message = (size: number): Uint8Array =>
        encode(
          heddle.SignedHeaderSchema,
          create(heddle.SignedHeaderSchema, {
            header,
            signatures: encode(
              common.MetadataSchema,
              create(common.MetadataSchema, { value: Buffer.alloc(size) }),
            ),
          }),
        )
      return message(length - (message(length).length - length))
    }
    expect(long(most)).to.have.length(most)
    expect(() => watch.receive(3, long(most))).not.to.throw()
    expect(() => watch.receive(3, long(most + 1))).to.throw(ProtoMalformedError, 'too long')
    await watch.stop()
  })

  it('takes it back when the other has the own block of such a number', async () => {
    const own = await signedBlock(1n, 'a')
    const { watch, failed } = await watching(own)
    watch.receive(3, told(await signedBlock(1n, 'b')))
    await eventually('the fork is seen', () => watch.isForked)
    watch.receive(3, told(own))
    await eventually('it is over', () => !watch.isForked)
    expect(failed()).to.deep.equal([])
    await watch.stop()
  })

  it('reads no more blocks for one validator than its budget, and for others as many', async () => {
    const own = await signedBlock(1n, 'a')
    const { watch, clock, read } = await watching(own)
    const before = read()
    const tell = async (from: number, times: number): Promise<number> => {
      for (let time = 0; time < times; time++) {
        watch.receive(from, told(own))
        for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
      }
      return read() - before
    }
    const most = tellings.burst + 1
    expect(await tell(3, most + 5)).to.equal(most)
    expect(await tell(2, 1), 'of another').to.equal(most + 1)
    await clock.advance(2000 / tellings.perSecond)
    expect(await tell(3, 1), 'when it has come back').to.equal(most + 2)
    await watch.stop()
  })

  it('sees none in blocks of two numbers', async () => {
    const [a, b] = [await signedBlock(1n, 'a'), await signedBlock(2n, 'b')]
    const read = (block: common.Block) => readSignedHeader(signedHeaderOf(block)!)
    expect(forkOf(read(a), read(b))).to.equal(undefined)
  })
})

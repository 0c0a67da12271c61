import { expect } from 'chai'
import { encodeStatement } from '../../../src/wire/codec.ts'
import type {
  Checkpoint,
  NewView,
  Proof,
  SignedStatement,
  Statement,
  ViewChange,
} from '../../../src/core/messages.ts'
import { quorumOf } from '../../../src/core/quorum.ts'
import { resolveReplicaOptions } from '../../../src/options.ts'
import type { Verifier } from '../../../src/ports.ts'
import { burstSeconds } from '../../../src/in/sender-budgets.ts'
import { Signatures } from '../../../src/in/signatures.ts'
import { TestKeys } from '../../../src/testing.ts'
import { stateDigest } from '../../support/cores.ts'

const keys = new TestKeys()

/** Signs as replica `by`: its author, or a forger. */
function sign<S extends Statement>(statement: S, by: number): S & { proof: Proof } {
  const body = encodeStatement(statement)
  const signature = keys.signer(by).sign(body) as Uint8Array
  return { ...statement, proof: { body, signature } }
}

const checkpoint = (replica: number, by = replica): Checkpoint => {
  const digest = stateDigest(10n)
  return sign({ type: 'checkpoint', sequence: 10n, digest, replica } as const, by)
}

const viewChange = (
  replica: number,
  by = replica,
  stable = [0, 1, 2].map((id) => checkpoint(id)),
) =>
  sign(
    {
      ...({ type: 'view-change', view: 1n, replica, lowWatermark: 10n, stable } as const),
      ...{ prepared: [], prePrepared: [] },
    },
    by,
  )

const newView = (viewChanges: readonly ViewChange[], by = 1): NewView =>
  sign({ type: 'new-view', view: 1n, viewChanges } as const, by)

/** `good`, or the code of what it rejects with. */
const outcomeOf = (verified: Promise<unknown>): Promise<string> =>
  verified.then(
    () => 'good',
    (error: unknown) => (error as { code: string }).code,
  )

/** What becomes of a message when it is opened. */
async function outcome({ type, proof }: SignedStatement): Promise<string> {
  const signatures = new Signatures(4, keys.signer(3), keys)
  return outcomeOf((async () => signatures.verify(signatures.read(type, proof)))())
}

/** As {@link TestKeys}, on another thread, as it were. */
const asynchronous: Verifier = {
  verify: (...args) => Promise.resolve(keys.verify(...args)),
}

const invalid = 'PBFT_INVALID_SIGNATURE'
const honest = (): ViewChange[] => [0, 2, 3].map((id) => viewChange(id))

/** What becomes of it, and how many signatures the verifier was asked about. */
function refusal(read: (signatures: Signatures) => unknown): { code: string; asked: number } {
  const signatures = new Signatures(4, keys.signer(3), keys)
  try {
    read(signatures)
    return { code: 'good', asked: signatures.asked }
  } catch (error) {
    return { code: (error as { code: string }).code, asked: signatures.asked }
  }
}

describe('Signatures', () => {
  const unverified = { code: 'PBFT_MALFORMED', asked: 0 }
  const twice = [checkpoint(0), checkpoint(0), checkpoint(1)]
  const tooMany = [0, 1, 2, 3, 4].map((id) => checkpoint(id))

  for (const [what, stable] of [
    ['one replica twice', twice],
    ['more than N replicas', tooMany],
  ] as const) {
    it(`of ${what} are not verified at all`, () => {
      const one = viewChange(2, 2, stable)
      expect(refusal((s) => s.read('view-change', one.proof))).to.deep.equal(unverified)
      const inside = newView([...honest().slice(1), viewChange(0, 0, stable)])
      expect(refusal((s) => s.read('new-view', inside.proof))).to.deep.equal(unverified)
      const changes = stable.map(({ replica }) => viewChange(replica))
      expect(refusal((s) => s.read('new-view', newView(changes).proof))).to.deep.equal(unverified)
      const proofs = stable.map(({ proof }) => proof)
      expect(refusal((s) => s.openCheckpoints(proofs))).to.deep.equal(unverified)
    })
  }

  it('that were found good before are not asked about again', () => {
    const { proof } = newView(honest())
    const { asked } = refusal((s) => s.verify(s.read('new-view', proof)))
    expect(asked, 'its own, three view-changes, and three checkpoints once').to.equal(7)
  })

  it('that are asked about already are not asked about again', async () => {
    const signatures = new Signatures(4, keys.signer(3), asynchronous)
    const verify = async (kind: Statement['type'], { proof }: SignedStatement) =>
      await signatures.verify(signatures.read(kind, proof))
    await Promise.all([1, 2].map(() => verify('new-view', newView(honest()))))
    expect(signatures.asked).to.equal(7)
    const forged = checkpoint(0, 3)
    const both = await Promise.allSettled([1, 2].map(() => verify('checkpoint', forged)))
    expect(both.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected'])
    expect(signatures.asked).to.equal(8)
    expect(await outcomeOf(verify('checkpoint', forged)), 'later').to.equal(invalid)
    expect(signatures.asked).to.equal(9)
  })

  it('of a new-view of 128 replicas are fewer than may be verified at once', async () => {
    const n = 128
    const { maxSignaturesPerSecond } = resolveReplicaOptions({ id: 3, n })
    const replicas = Array.from({ length: quorumOf(n) }, (_, id) => id)
    const stable = replicas.map((id) => checkpoint(id))
    const { proof } = newView(replicas.map((id) => viewChange(id, id, stable)))
    const signatures = new Signatures(n, keys.signer(3), asynchronous)
    await signatures.verify(signatures.read('new-view', proof))
    expect(signatures.asked).to.be.within(1, burstSeconds * maxSignaturesPerSecond)
  })

  it('are all verified in what is good', async () => {
    for (const message of [checkpoint(0), viewChange(2), newView(honest())])
      expect(await outcome(message), message.type).to.equal('good')
  })

  it('of the author are verified', async () => {
    expect(await outcome(checkpoint(0, 3))).to.equal(invalid)
    expect(await outcome(viewChange(0, 3))).to.equal(invalid)
    expect(await outcome(newView(honest(), 3)), 'view 1 is begun by replica 1').to.equal(invalid)
  })

  for (const at of [0, 1, 2]) {
    it(`of each checkpoint in a view-change are verified: the one at ${at}`, async () => {
      const stable = [0, 1, 2].map((id) => checkpoint(id, id === at ? 3 : id))
      expect(await outcome(viewChange(2, 2, stable))).to.equal(invalid)
    })

    it(`of each view-change in a new-view are verified: the one at ${at}`, async () => {
      const changes = honest()
      changes[at] = viewChange(changes[at]!.replica, 1)
      expect(await outcome(newView(changes))).to.equal(invalid)
    })

    it(`of each checkpoint in a view-change in a new-view are verified: the one at ${at}`, async () => {
      const stable = [0, 1, 2].map((id) => checkpoint(id, id === at ? 3 : id))
      expect(await outcome(newView([...honest().slice(1), viewChange(0, 0, stable)]))).to.equal(
        invalid,
      )
    })

    it(`of each checkpoint in a certificate are verified: the one at ${at}`, async () => {
      const proofs = [0, 1, 2].map((id) => checkpoint(id, id === at ? 3 : id).proof)
      const signatures = new Signatures(4, keys.signer(3), keys)
      let code = 'good'
      try {
        await signatures.openCheckpoints(proofs)
      } catch (error) {
        code = (error as { code: string }).code
      }
      expect(code).to.equal(invalid)
    })
  }
})

import { createHash } from 'node:crypto'
import type { Certificate, Proof, SignedStatement, Statement } from '../core/messages.ts'
import { primaryOf } from '../core/quorum.ts'
import { encodeStatement } from '../wire/codec.ts'
import { InvalidSignatureError, MalformedError } from '../errors.ts'
import { endorsementsOf, openCheckpoint, openNewView, openViewChange } from '../wire/opening.ts'
import type { Endorsement } from '../wire/opening.ts'
import type { Signer, Verifier } from '../ports.ts'
import { Recent } from '../requests/recent.ts'

/** Most signatures that are remembered as good: certificates carry the same ones again and again. */
const maxRemembered = 4096

/** Signs what the core states and opens what others signed: verified over the bytes received. */
export class Signatures {
  readonly #n: number
  readonly #signer: Signer
  readonly #verifier: Verifier
  readonly #good = new Recent<true>(maxRemembered)
  /** Those that the verifier was asked about and has not answered for. */
  readonly #underWay = new Map<string, Promise<void>>()
  #asked = 0

  constructor(n: number, signer: Signer, verifier: Verifier) {
    this.#n = n
    this.#signer = signer
    this.#verifier = verifier
  }

  /** How many signatures the verifier was asked about so far. */
  get asked(): number {
    return this.#asked
  }

  sign(statement: Statement): SignedStatement | Promise<SignedStatement> {
    const body = encodeStatement(statement)
    const attach = (signature: Uint8Array): SignedStatement => ({
      ...statement,
      proof: { body, signature },
    })
    const signature = this.#signer.sign(body)
    return signature instanceof Uint8Array ? attach(signature) : signature.then(attach)
  }

  /**
   * The statement of `kind` in `proof`, of which nothing is verified.
   *
   * @throws {MalformedError} PBFT_MALFORMED
   */
  read(kind: Statement['type'], proof: Proof): SignedStatement {
    const message = openers[kind](proof)
    if (message.type === 'view-change') this.#assertDistinct(message.stable)
    if (message.type === 'new-view') {
      this.#assertDistinct(message.viewChanges)
      for (const { stable } of message.viewChanges) this.#assertDistinct(stable)
    }
    return message
  }

  /**
   * `message`, once every signature that it rests on is verified.
   *
   * @throws {MalformedError} PBFT_MALFORMED, at once or as a rejection
   * @throws {InvalidSignatureError} PBFT_INVALID_SIGNATURE, likewise
   */
  verify(message: SignedStatement): SignedStatement | Promise<SignedStatement> {
    const author = message.type === 'new-view' ? primaryOf(message.view, this.#n) : message.replica
    const verified = this.#verifyAll(endorsementsOf(message, author))
    return verified === undefined ? message : verified.then(() => message)
  }

  /**
   * A relayed certificate, once all its signatures are verified.
   *
   * @throws as {@link Signatures.verify}
   */
  openCheckpoints(proofs: readonly Proof[]): Certificate | Promise<Certificate> {
    const checkpoints = proofs.map(openCheckpoint)
    this.#assertDistinct(checkpoints)
    const certificate = { type: 'certificate', checkpoints } as const
    const verified = this.#verifyAll(checkpoints.flatMap((c) => endorsementsOf(c, c.replica)))
    return verified === undefined ? certificate : verified.then(() => certificate)
  }

  /** Before any is verified: of one replica, or of none, there could be as many as its signer makes. */
  #assertDistinct(statements: readonly { readonly replica: number }[]): void {
    const replicas = new Set(statements.map(({ replica }) => replica))
    if (replicas.size === statements.length && replicas.size <= this.#n) return
    throw new MalformedError(`${statements.length} signatures of ${replicas.size} replicas`)
  }

  /** Undefined when all are good already or the verifier answered at once. */
  #verifyAll(endorsements: readonly Endorsement[]): Promise<void> | undefined {
    const waiting: Promise<void>[] = []
    try {
      for (const endorsement of endorsements) {
        const pending = this.#verify(endorsement)
        if (pending !== undefined) waiting.push(pending)
      }
    } catch (error) {
      // What is under way ends on its own, and must not end the process when it is no good either.
      void Promise.allSettled(waiting)
      throw error
    }
    if (waiting.length === 0) return undefined
    return Promise.all(waiting).then(() => undefined)
  }

  #verify({ replica, proof }: Endorsement): Promise<void> | undefined {
    if (replica >= this.#n) throw new MalformedError(`there is no replica ${replica}`)
    const key = keyOf(replica, proof)
    if (this.#good.get(key) === true) return undefined
    // The view-changes of a new-view carry the same checkpoints, and several replicas the same new-view.
    const underWay = this.#underWay.get(key)
    if (underWay !== undefined) return underWay
    let answer
    try {
      this.#asked++
      answer = this.#verifier.verify(replica, proof.body, proof.signature)
    } catch (error) {
      throw new InvalidSignatureError(`of replica ${replica}`, { cause: error })
    }
    if (typeof answer === 'boolean') {
      this.#settle(answer, replica, key)
      return undefined
    }
    const settled = answer
      .then(
        (isGood) => this.#settle(isGood, replica, key),
        (error: unknown) => {
          throw new InvalidSignatureError(`of replica ${replica}`, { cause: error })
        },
      )
      .finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, settled)
    return settled
  }

  #settle(isGood: boolean, replica: number, key: string): void {
    if (!isGood) throw new InvalidSignatureError(`of replica ${replica}`)
    this.#good.set(key, true)
  }
}

const openers = {
  checkpoint: openCheckpoint,
  'view-change': openViewChange,
  'new-view': openNewView,
} as const

function keyOf(replica: number, { body, signature }: Proof): string {
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32BE(replica, 0)
  lengths.writeUInt32BE(body.length, 4)
  return createHash('sha256').update(lengths).update(body).update(signature).digest('hex')
}

import { ChainFollower, Monitor } from '@heddle/client'
import { collectEvidence } from './collect-evidence.ts'
import { countReasons } from './count-reasons.ts'
import { DenialWatch } from './denial-watch.ts'
import { prove } from './proof.ts'
import { Submissions } from './submissions.ts'
import { rejectedLines, standingOf } from './summary.ts'
import { Submitter } from './submitter.ts'
import { saying } from './waiting.ts'
import type { NetworkClient, VerifiedBlock } from '@heddle/client'
import type { Clock, ClockTimer } from '@heddle/interface'
import type { InputLine } from '../input/ndjson.ts'
import type { ProgressDisplay } from './progress.ts'
import type { SubmitterDeps } from './submitter.ts'
import type { RunSummary } from './summary.ts'

/** What a run works with. */
export interface RunDeps {
  readonly client: NetworkClient
  readonly clock: Clock
  readonly display: ProgressDisplay
  /** Takes a sentence for standard error. */
  readonly note: (text: string) => void
}

/** What a run is given. */
export interface RunInput {
  readonly lines: AsyncIterable<InputLine>
  /** Number of lines, when known: for the bar. */
  readonly total: number | undefined
  /** Most transactions sent and not acknowledged. */
  readonly window: number
}

/** Time between two updates of the display. */
const displayMs = 200

/** One run of an input through a network, from the first line to the proof. */
export class Run {
  readonly #deps: RunDeps
  readonly #input: RunInput
  readonly #submissions = new Submissions()
  readonly #monitor: Monitor
  readonly #failure = new AbortController()
  readonly #denials: DenialWatch
  readonly #follower: ChainFollower
  readonly #parts: SubmitterDeps
  #submitter: Submitter | undefined
  #begin = 0
  #cpuBefore: readonly (bigint | undefined)[] = []
  #cpuAfter: readonly (bigint | undefined)[] = []
  #timer: ClockTimer | undefined

  constructor(deps: RunDeps, input: RunInput) {
    const { client, clock } = deps
    this.#deps = deps
    this.#input = input
    this.#monitor = new Monitor(client, clock)
    const parts = { client, clock, submissions: this.#submissions }
    this.#parts = parts
    this.#denials = new DenialWatch({ ...deps, monitor: this.#monitor })
    const onBlock = (verified: VerifiedBlock): void => {
      this.#submissions.seenBlock(verified, clock.now())
      this.#denials.hold(verified.block)
    }
    this.#follower = new ChainFollower({ client, clock, onBlock }, (error) =>
      this.#failure.abort(error),
    )
  }

  /** Submits, waits for the blocks, and proves. Rejects with the reason of `signal`. */
  async toEnd(signal: AbortSignal): Promise<RunSummary> {
    const either = AbortSignal.any([signal, this.#failure.signal])
    const { clock, display, note } = this.#deps
    try {
      await this.#monitor.ask()
      this.#cpuBefore = this.#cpu()
      this.#follower.start((this.#monitor.height ?? 1n) - 1n)
      this.#monitor.start()
      this.#denials.start()
      this.#begin = clock.now()
      this.#show()
      const submitter = new Submitter(this.#parts, {
        window: this.#input.window,
        primary: this.#monitor.view?.primary,
        onFailure: (error) => this.#failure.abort(error),
      })
      this.#submitter = submitter
      await submitter.submitAll(this.#input.lines, either)
      await this.#submissions.allSeen(either)
      this.#timer?.cancel()
      await this.#monitor.ask()
      this.#cpuAfter = this.#cpu()
      this.#update()
      display.end()
      return await this.#summarize(submitter, either)
    } catch (error) {
      display.end()
      if (this.#submissions.counts.submitted > 0) note(standingOf(this.#submissions))
      throw error
    } finally {
      this.#timer?.cancel()
      display.end()
      this.#denials.stop()
      this.#monitor.stop()
      await this.#submitter?.stop()
      await this.#follower.stop()
    }
  }

  #show(): void {
    this.#update()
    this.#timer = this.#deps.clock.schedule(displayMs, () => this.#show())
  }

  #update(): void {
    const { counts } = this.#submissions
    const view = this.#monitor.view
    const { validators } = this.#deps.client
    this.#deps.display.update({
      ...counts,
      total: this.#input.total,
      notSubmitted: this.#submitter?.problemCount ?? 0,
      blocks: this.#submissions.blocks,
      txPerSecond: this.#rate(),
      view: view?.view,
      primary: view === undefined ? undefined : validators[view.primary]?.name,
      heights: this.#monitor.statuses.map((each) => each?.height),
      notWell: this.#monitor.notWell.map((index) => validators[index]?.name ?? ''),
    })
  }

  #cpu(): (bigint | undefined)[] {
    return this.#monitor.statuses.map((each) => each?.cpuMs)
  }

  #cpuSeconds(): (number | null)[] {
    return this.#cpuAfter.map((after, index) => {
      const before = this.#cpuBefore[index]
      // A validator that was started again counts from 0: what it used before is lost.
      const known = before !== undefined && after !== undefined && after >= before
      return known ? Number(after - before) / 1000 : null
    })
  }

  #seconds(): number {
    return Math.max(0, this.#submissions.lastSeenAt - this.#begin) / 1000
  }

  #rate(): number {
    const { accepted, rejected } = this.#submissions.counts
    const seconds = this.#seconds()
    return seconds === 0 ? 0 : (accepted + rejected) / seconds
  }

  async #summarize(submitter: Submitter, signal: AbortSignal): Promise<RunSummary> {
    const { client, clock, note } = this.#deps
    const submissions = this.#submissions
    const follower = this.#follower
    const evidence = await saying(
      {
        clock,
        note,
        what: () => `all validators to have the ${follower.height} blocks, and a state`,
      },
      () => collectEvidence({ client, clock, submissions, follower }, signal),
    )
    const { accepted, rejected } = submissions.counts
    return {
      accepted,
      rejected,
      notSubmitted: submitter.problemCount,
      problems: submitter.problems,
      firstRejected: rejectedLines(submissions),
      reasons: countReasons(submissions.all()),
      blocks: Number(submissions.blocks),
      seconds: this.#seconds(),
      txPerSecond: this.#rate(),
      latencyMs: { p50: submissions.latencyMs(0.5), p99: submissions.latencyMs(0.99) },
      cpuSeconds: this.#cpuSeconds(),
      proof: prove(evidence),
    }
  }
}

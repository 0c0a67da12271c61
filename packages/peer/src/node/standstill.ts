import { quorumOf, weakQuorumOf } from '@heddle/pbft'
import type { UnsignedBlock } from '@heddle/orderer'
import type { ReplicaStatus } from '@heddle/pbft'
import type { ConditionName } from './condition-kinds.ts'

/** What tells whether a validator stands still. */
export interface Facts {
  /** Number of blocks stored. */
  readonly height: bigint
  /** The executed block with the lowest number that lacks signatures of a quorum. */
  readonly unsigned: UnsignedBlock | undefined
  readonly replica: Pick<
    ReplicaStatus,
    'n' | 'view' | 'primary' | 'activeView' | 'lastExecuted' | 'pendingRequests' | 'oldestRequestMs'
  >
  /** How long nothing has been executed and no block stored, in milliseconds. */
  readonly quietMs: number
  /** How long the state transfer has been under way, in milliseconds; 0 when none is. */
  readonly transferringMs: number
}

/** That a validator stands still, and why. */
export interface Standstill {
  readonly condition: StandstillName
  /** What is wrong, for people. */
  readonly reason: string
  /** Number of the block that does not come. */
  readonly block: bigint
  /** How long it has lasted, in milliseconds. */
  readonly forMs: number
  /** Numbers, from 0 on, of the validators that hold it up. */
  readonly validators: readonly number[]
}

/** The conditions that are a standstill. */
export const standstillNames = [
  'results-differ',
  'block-unsigned',
  'transfer-stuck',
  'requests-wait',
] as const satisfies readonly ConditionName[]

/** One of {@link standstillNames}. */
export type StandstillName = (typeof standstillNames)[number]

/** After how many milliseconds something is a standstill. */
export interface StandstillLimits {
  /** A block that f + 1 others signed with other results. */
  readonly differingMs: number
  /** A block without the signatures of a quorum. */
  readonly unsignedMs: number
  /** A request, while nothing is executed. Longer than a request takes when the primary crashes. */
  readonly requestMs: number
  /** A state transfer that brings nothing. */
  readonly transferMs: number
}

/** Limits when none are given. */
export const standstillLimits: StandstillLimits = {
  differingMs: 1000,
  unsignedMs: 5000,
  requestMs: 6000,
  transferMs: 15_000,
}

/** Whether a validator stands still: the nearest cause, since the others follow from it. */
export function findStandstill(facts: Facts, limits: StandstillLimits): Standstill | undefined {
  return (
    differing(facts, limits) ??
    unsigned(facts, limits) ??
    transfer(facts, limits) ??
    requests(facts, limits)
  )
}

/** With f + 1 others, at least one of them is correct: here, or there, something is wrong. */
function differing({ unsigned, replica }: Facts, limits: StandstillLimits): Standstill | undefined {
  if (unsigned === undefined || unsigned.waitingMs < limits.differingMs) return undefined
  if (unsigned.differing.length < weakQuorumOf(replica.n)) return undefined
  const { number: block, waitingMs: forMs } = unsigned
  const validators = replicas(unsigned.differing)
  const reason =
    `results of block ${block} differ from those of ${named(validators)}; ` +
    `it has lacked a quorum of signatures for ${seconds(forMs)}`
  return { condition: 'results-differ', reason, block, forMs, validators }
}

function unsigned({ unsigned, replica }: Facts, limits: StandstillLimits): Standstill | undefined {
  if (unsigned === undefined || unsigned.waitingMs < limits.unsignedMs) return undefined
  const { number: block, waitingMs: forMs } = unsigned
  const signed = replicas(unsigned.signed)
  const other = replicas(unsigned.differing)
  const validators = Array.from({ length: replica.n }, (_, id) => id).filter(
    (id) => !signed.includes(id),
  )
  const reason =
    `block ${block} has had ${signed.length} of ${quorumOf(replica.n)} signatures for ${seconds(forMs)}: ` +
    `those of ${named(validators)} are missing` +
    (other.length === 0 ? '' : ` (${named(other)} signed other results)`)
  return { condition: 'block-unsigned', reason, block, forMs, validators }
}

function transfer({ height, quietMs, transferringMs }: Facts, limits: StandstillLimits) {
  const forMs = Math.min(quietMs, transferringMs)
  if (forMs < limits.transferMs) return undefined
  const reason = `the state transfer has brought nothing for ${seconds(forMs)}; block ${height} is next`
  return {
    condition: 'transfer-stuck',
    reason,
    block: height,
    forMs,
    validators: [],
  } as const
}

function requests({ replica, height, quietMs }: Facts, limits: StandstillLimits) {
  const { oldestRequestMs, pendingRequests, view, primary, activeView } = replica
  const forMs = Math.min(oldestRequestMs, quietMs)
  if (pendingRequests === 0 || forMs < limits.requestMs) return undefined
  const reason =
    `${pendingRequests} requests wait, and nothing has been ordered for ${seconds(forMs)}: ` +
    `view ${view}${activeView ? '' : ' (changing)'}, primary validator ${primary}`
  return {
    condition: 'requests-wait',
    reason,
    block: height,
    forMs,
    validators: [primary],
  } as const
}

/** Consenters count from 1, validators from 0. */
function replicas(consenters: readonly number[]): number[] {
  return consenters.map((id) => id - 1)
}

function named(validators: readonly number[]): string {
  return `validator${validators.length === 1 ? '' : 's'} ${validators.join(', ')}`
}

function seconds(ms: number): string {
  return `${Math.floor(ms / 1000)} s`
}

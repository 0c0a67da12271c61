import { join } from 'node:path'
import { Command } from 'commander'
import { orClock } from '@heddle/client'
import { isCodedError } from '@heddle/interface'
import { quorumOf } from '@heddle/pbft'
import { PeerError, messageOf } from '../errors.ts'
import { connectTo } from '../network/descriptor.ts'
import { dirOption } from './options.ts'
import { grouped, markUnverified, standardOutput, toJson } from './output.ts'
import type { ValidatorWord } from '@heddle/client'
import type { heddle } from '@heddle/proto'

interface StatusOptions {
  readonly dir: string
  readonly json?: true
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Nothing for a version from before rules were numbered. */
function rulesText(rules: heddle.RulesStatus | undefined): string[] {
  if (rules === undefined) return []
  const { inForce, offered, missing } = rules
  if (inForce === offered) return [`rules ${inForce}`]
  const names = missing.map((replica) => `validator${replica}`).join(', ')
  const others = names === '' ? 'as all do' : `waits for ${names}`
  return [`rules ${inForce} (offers ${offered}, ${others})`]
}

/** Why one gave no answer; its name, with which most reasons begin, stands before it already. */
export function reasonOf(failure: unknown, name: string): string {
  const message = messageOf(failure)
  return message.startsWith(`${name}: `) ? message.slice(name.length + 2) : message
}

function toText({ name, status, failure }: ValidatorWord): string {
  if (status === undefined) return `${name}  no answer: ${reasonOf(failure, name)}`
  const { view, activeView, primary, height, lastBlockHash, sequence, connected } = status
  const { problems } = status
  const line = [
    `${name} says`,
    `height ${grouped(height)}`,
    `block ${hex(lastBlockHash).slice(0, 16)}`,
    `view ${view}${activeView ? '' : ' (changing)'}`,
    `primary validator${primary}`,
    `sequence ${grouped(sequence)}`,
    `connected ${connected}`,
    ...rulesText(status.rules),
  ].join('  ')
  return [line, ...problems.map(markOf)].join('\n')
}

function markOf({ degraded, component, reason }: heddle.Problem): string {
  return `  ${degraded ? 'degraded' : 'FAILED'}  ${component}: ${reason}`
}

function problemObject(problem: heddle.Problem): unknown {
  const { component, reason, condition, degraded, sinceMs, cure } = problem
  const since = new Date(Number(sinceMs)).toISOString()
  return { severity: degraded ? 'degraded' : 'failed', condition, component, reason, since, cure }
}

function rulesObject({ inForce, since, offered, missing }: heddle.RulesStatus): unknown {
  return { inForce, since, offered, missing }
}

function toObject({ name, status, failure }: ValidatorWord): unknown {
  if (status === undefined) return { name, problem: messageOf(failure) }
  const { replica, view, activeView, primary, height, sequence, connected, version } = status
  const said = {
    ...{ replica, view, activeView, primary, height, sequence, connected, version },
    lastBlockHash: hex(status.lastBlockHash),
    stateDigest: hex(status.stateDigest),
    cpuSeconds: Number(status.cpuMs) / 1000,
    lastBlockAgeSeconds: Number(status.lastBlockAgeMs) / 1000,
    oldestRequestSeconds: Number(status.oldestRequestMs) / 1000,
    unsignedBlocks: status.unsignedBlocks,
    problems: status.problems.map(problemObject),
    ...(status.rules && { rules: rulesObject(status.rules) }),
  }
  return { name, ...markUnverified(said) }
}

/** @throws {PeerError} PEER_NETWORK_UNAVAILABLE when too few validators work for anything to be ordered */
export function refuseWithoutQuorum(lines: readonly ValidatorWord[]): void {
  const answers = lines.flatMap(({ status }) => status ?? [])
  const working = answers.filter(({ problems }) => problems.every(({ degraded }) => degraded))
  const needed = quorumOf(lines.length)
  if (working.length >= needed) return
  throw new PeerError(
    'PEER_NETWORK_UNAVAILABLE',
    `${working.length} of ${lines.length} validators answer and do their work; a quorum needs ${needed}`,
    {
      cure: 'start those that give no answer; --json shows what is wrong with the others, and the cure',
    },
  )
}

async function networkStatus({ dir, json }: StatusOptions): Promise<void> {
  const network = await connectTo(dir)
  const { client } = network
  try {
    const lines = await network.status()
    for (const line of lines)
      standardOutput.line(json === true ? toJson(toObject(line)) : toText(line))
    if (lines.some(({ status }) => status !== undefined)) {
      refuseWithoutQuorum(lines)
      return
    }
    const refusal = lines.find(({ failure }) => isCodedError(failure, 'CLIENT_FORBIDDEN'))
    if (refusal !== undefined) throw await orClock(client, refusal.failure)
    throw new PeerError(
      'PEER_NETWORK_NOT_RUNNING',
      `no validator of the network in ${dir} answers`,
      {
        cure: `start it with \`heddle network up\`; logs are in ${join(dir, 'validators')}`,
      },
    )
  } finally {
    await network.close()
  }
}

/** `heddle network status`. */
export function networkStatusCommand(): Command {
  return new Command('status')
    .description('show the status of each validator of a network, as it reports it')
    .addOption(dirOption())
    .option('--json', 'print one JSON object per validator')
    .addHelpText(
      'after',
      '\nExit status 69 when too few validators answer and work.\n\nExample:\n  heddle network status --json',
    )
    .action(networkStatus)
}

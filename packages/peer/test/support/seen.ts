import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { conditionKinds } from '../../src/node/condition-kinds.ts'
import { eventually } from './eventually.ts'
import type { ConditionName } from '../../src/node/condition-kinds.ts'
import type { HealthCheck } from '../../src/operations/server.ts'
import type { JsonLine, Sandbox } from './heddle.ts'
import type { Validators } from './validators.ts'

/** An environment in which the clock of a process is so far ahead of the machine's. */
export function shiftedClock(ms: number): NodeJS.ProcessEnv {
  const module = fileURLToPath(new URL('shifted-clock.mjs', import.meta.url))
  return { NODE_OPTIONS: `--import=${module}`, HEDDLE_TEST_CLOCK_SHIFT_MS: String(ms) }
}

/** What `/healthz` of a validator says. */
export interface Health {
  readonly status: number
  readonly failed: readonly HealthCheck[]
  readonly degraded: readonly HealthCheck[]
}

export async function healthOf(network: Validators, name: string): Promise<Health> {
  const { status, body } = await network.operations(name, '/healthz')
  const said = JSON.parse(body) as Record<string, HealthCheck[] | undefined>
  return {
    status,
    failed: said['failed_checks'] ?? [],
    degraded: said['degraded_checks'] ?? [],
  }
}

/** The lines of the log of a validator about a condition, and about whom if that is given. */
export function linesAbout(
  network: Validators,
  name: string,
  condition: ConditionName,
  about?: string,
): JsonLine[] {
  return network
    .process(name)
    .json.filter((line) => line['condition'] === condition)
    .filter((line) => about === undefined || line['about'] === about)
}

/** The value of the first metric whose line begins so. */
export async function metricOf(network: Validators, name: string, start: string): Promise<number> {
  const { body } = await network.operations(name, '/metrics')
  const line = body.split('\n').find((each) => each.startsWith(start))
  return Number(line?.split(' ').at(-1))
}

/** A condition, and about whom. */
export interface Expected {
  readonly condition: ConditionName
  readonly about?: string
  readonly reason: RegExp
}

/**
 * Waits until the named validators say it in all four places: `/healthz`, the metric, `network status`, and
 * one line in the log with the cure.
 */
export async function seenBy(
  names: readonly string[],
  { condition, about, reason }: Expected,
  { network, sandbox }: { readonly network: Validators; readonly sandbox: Sandbox },
): Promise<void> {
  const { severity, component, cure } = conditionKinds[condition]
  const isIt = (each: Pick<HealthCheck, 'condition' | 'reason'>): boolean =>
    each.condition === condition && reason.test(each.reason)
  for (const name of names) {
    await eventually(`${name} says ${condition} in /healthz`, async () => {
      const { failed, degraded, status } = await healthOf(network, name)
      expect(status).to.equal(failed.length === 0 ? 200 : 503)
      const check = (severity === 'failed' ? failed : degraded).find(isIt)
      if (check === undefined) throw new RangeError(JSON.stringify([failed, degraded]))
      return check.component === component
    })
    const metric = `heddle_condition{condition="${condition}",severity="${severity}"}`
    expect(await metricOf(network, name, metric), metric).to.be.above(0)
    const began = linesAbout(network, name, condition, about)
    const line = began.filter(({ msg }) => msg === 'not well').at(-1)
    expect(line, `line of ${name}`).to.include({ level: 'warn', cure })
  }
  // Both at once: a connection with a frozen validator does not last.
  const [json, text] = await Promise.all([
    sandbox.run(['network', 'status', '--json', '--dir', network.dir]),
    sandbox.run(['network', 'status', '--dir', network.dir]),
  ])
  const mark = `${severity === 'failed' ? 'FAILED' : severity}  ${component}: `
  for (const name of names) {
    const said = json.heddle.json.find((each) => each['name'] === name)
    const problems = said?.['problems'] as HealthCheck[]
    expect(problems.find(isIt), JSON.stringify(problems)).to.include({ severity, component, cure })
  }
  const marked = text.stdout.split('\n').filter((each) => each.includes(mark) && reason.test(each))
  expect(marked.length, text.stdout).to.be.at.least(names.length)
}

/** Waits until the named validators say nothing of it any more. */
export async function overFor(
  names: readonly string[],
  condition: ConditionName,
  network: Validators,
): Promise<void> {
  for (const name of names)
    await eventually(`${name} says ${condition} no more`, async () => {
      const { failed, degraded } = await healthOf(network, name)
      return ![...failed, ...degraded].some((each) => each.condition === condition)
    })
}

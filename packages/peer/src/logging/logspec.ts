import { PeerError } from '../errors.ts'

/** Levels of this project's loggers, from the quietest. */
const levels = ['error', 'warn', 'info', 'debug'] as const
/** One level. */
export type Level = (typeof levels)[number]

/** Fabric's other names, and the nearest level of ours. */
const aliases: Readonly<Record<string, Level>> = {
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  dpanic: 'error',
  panic: 'error',
  fatal: 'error',
}

/** Which loggers write what: a level for all, and exceptions by name (a prefix up to a dot). */
export interface LogSpec {
  readonly text: string
  readonly fallback: Level
  readonly named: ReadonlyMap<string, Level>
}

function levelOf(name: string, spec: string): Level {
  const level = aliases[name.toLowerCase()]
  if (level !== undefined) return level
  throw new PeerError(
    'PEER_INVALID_CONFIG',
    `invalid logging specification '${spec}': bad level '${name}'`,
    {
      cure: 'write logger=level:level, with debug, info, warn or error as levels',
    },
  )
}

/**
 * Reads `logger=level[:logger2,logger3=level]:level` (Fabric, operations service; flogging).
 * @throws {PeerError} PEER_INVALID_CONFIG
 */
export function parseLogSpec(spec: string): LogSpec {
  let fallback: Level = 'info'
  const named = new Map<string, Level>()
  for (const part of spec.split(':').filter((each) => each !== '')) {
    const [left = '', right, ...rest] = part.split('=')
    if (right === undefined) {
      fallback = levelOf(left, spec)
      continue
    }
    if (left === '' || rest.length > 0) {
      throw new PeerError(
        'PEER_INVALID_CONFIG',
        `invalid logging specification '${spec}': '${part}'`,
        {
          cure: 'write logger=level:level',
        },
      )
    }
    for (const name of left.split(',')) named.set(name, levelOf(right, spec))
  }
  return { text: spec, fallback, named }
}

/** Whether a logger writes lines of a level: the longest name in the spec that it starts with decides. */
export function isEnabled(spec: LogSpec, logger: string, level: Level): boolean {
  let effective = spec.fallback
  let longest = -1
  for (const [name, named] of spec.named) {
    if ((logger === name || logger.startsWith(`${name}.`)) && name.length > longest) {
      longest = name.length
      effective = named
    }
  }
  return levels.indexOf(level) <= levels.indexOf(effective)
}

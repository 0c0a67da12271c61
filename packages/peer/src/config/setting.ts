/** A kind of value in the configuration file: how it is read, and what it may be. */
export interface Setting<Value> {
  /** Used when neither the file nor the environment says anything; undefined = must be given. */
  readonly fallback: Value | undefined
  /** What the key means, with unit and range: part of the reference in the README. */
  readonly help: string
  /**
   * @param raw - a YAML scalar, list or map, or the text of an environment variable
   * @returns the value
   * @throws {SettingProblem} when `raw` is none
   */
  parse(raw: unknown): Value
  /** What {@link parse} would take for a value; default: the value itself. */
  show?(value: Value): unknown
}

/** What is wrong with a value. The loader adds the file, the key and the code. */
export class SettingProblem {
  readonly what: string
  readonly cure: string

  constructor(what: string, cure: string) {
    this.what = what
    this.cure = cure
  }
}

/** Throws a {@link SettingProblem}; an expression, for use in arrow functions. */
function refuse(what: string, cure: string): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- never leaves the loader
  throw new SettingProblem(what, cure)
}

function shown(raw: unknown): string {
  return raw === undefined ? 'nothing' : JSON.stringify(raw)
}

/** Any text that is not empty. */
export function text(help: string, fallback?: string): Setting<string> {
  return {
    help,
    fallback,
    parse: (raw) =>
      typeof raw === 'string' && raw !== ''
        ? raw
        : typeof raw === 'number'
          ? raw.toString()
          : refuse(`${shown(raw)} is not text`, 'give text'),
  }
}

/** One of a few words or numbers; the first is the default. */
export function oneOf<Value extends string | number>(
  help: string,
  values: readonly Value[],
): Setting<Value> {
  return {
    help: `${help} (${values.join(', ')})`,
    fallback: values[0],
    parse: (raw) =>
      values.find((value) => value === raw || value.toString() === raw) ??
      refuse(`${shown(raw)} is not known`, `give one of: ${values.join(', ')}`),
  }
}

/** The path of a file that need not be there: empty for none. */
export function optionalFile(help: string): Setting<string> {
  return { ...text(help), fallback: '', parse: (raw) => (raw === '' ? '' : text(help).parse(raw)) }
}

/** Paths of files: a list, or in an environment variable a text with commas or blanks between them. */
export function fileList(help: string): Setting<readonly string[]> {
  const each = text(help)
  return {
    help,
    fallback: [],
    parse(raw) {
      const list: unknown = typeof raw === 'string' ? raw.split(/[\s,[\]]+/).filter(Boolean) : raw
      if (!Array.isArray(list))
        return refuse(`${shown(raw)} is not a list`, 'list the paths of files')
      return list.map((path: unknown) => each.parse(path))
    },
  }
}

/** True or false. */
export function flag(help: string): Setting<boolean> {
  return {
    help,
    fallback: false,
    parse: (raw) =>
      raw === true || raw === 'true'
        ? true
        : raw === false || raw === 'false'
          ? false
          : refuse(`${shown(raw)} is neither true nor false`, 'give true or false'),
  }
}

/** A whole number from `min` to `max`. */
export function integer(
  help: string,
  range: { readonly min: number; readonly max: number; readonly fallback?: number },
): Setting<number> {
  const { min, max } = range
  const cure = `give a whole number from ${min} to ${max}`
  return {
    help: `${help} (${min} to ${max})`,
    fallback: range.fallback,
    parse(raw) {
      const value = typeof raw === 'string' && /^-?\d+$/.test(raw) ? Number(raw) : raw
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return refuse(`${shown(raw)} is not a whole number`, cure)
      }
      if (value < min || value > max) return refuse(`${value} is out of range`, cure)
      return value
    },
  }
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration as Fabric's files write it (`2s`, `500ms`, `1m30s`), in milliseconds. */
export function duration(
  help: string,
  range: { readonly minMs: number; readonly maxMs: number; readonly fallbackMs?: number },
): Setting<number> {
  const cure = `give a duration such as 500ms, 2s or 1m30s, from ${range.minMs}ms to ${range.maxMs}ms`
  return {
    help: `${help} (${range.minMs}ms to ${range.maxMs}ms)`,
    fallback: range.fallbackMs,
    parse(raw) {
      if (typeof raw !== 'string' || !/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(raw)) {
        return refuse(`${shown(raw)} is not a duration`, cure)
      }
      let total = 0
      for (const [, digits, unit] of raw.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
        total += Number(digits) * (unitsMs[unit ?? ''] ?? 0)
      }
      if (total < range.minMs || total > range.maxMs) return refuse(`${raw} is out of range`, cure)
      return total
    },
    show: (value) => `${value}ms`,
  }
}

/** A host and a port. Port 0 means any free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `host:port`, with the host of an IPv6 address in brackets. */
export function address(help: string, fallback?: Address): Setting<Address> {
  const cure = 'give host:port, for example 127.0.0.1:7051'
  return {
    help,
    fallback,
    parse(raw) {
      const match =
        typeof raw === 'string' ? /^(\[[0-9a-fA-F:]+\]|[^:\s]+):(\d{1,5})$/.exec(raw) : null
      if (match === null) return refuse(`${shown(raw)} is not an address`, cure)
      const port = Number(match[2])
      if (port > 65_535) return refuse(`${port} is not a port`, cure)
      return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port }
    },
    show: addressToText,
  }
}

/** The reverse of what {@link address} parses. */
export function addressToText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Where the other validators listen: one entry for each replica, itself included. */
export interface ValidatorAddresses {
  readonly id: number
  readonly gossip: string
  readonly orderer: string
}

/** Most validators in one network. */
export const maxValidators = 31

/** The list of all validators. */
export function validatorList(help: string): Setting<readonly ValidatorAddresses[]> {
  const cure = 'list each validator as {id: 0, gossip: host:port, orderer: host:port}'
  const endpoint = address('')
  return {
    help,
    fallback: undefined,
    parse(raw) {
      if (!Array.isArray(raw) || raw.length > maxValidators) {
        return refuse(`not a list of at most ${maxValidators} validators`, cure)
      }
      return raw.map((entry: unknown, index) => {
        if (typeof entry !== 'object' || entry === null)
          return refuse(`entry ${index} is not a map`, cure)
        const { id, gossip, orderer } = entry as Record<string, unknown>
        if (id !== index) return refuse(`entry ${index} has id ${shown(id)}`, cure)
        return {
          id,
          gossip: addressToText(endpoint.parse(gossip)),
          orderer: addressToText(endpoint.parse(orderer)),
        }
      })
    },
  }
}

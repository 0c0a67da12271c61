/** How long to wait after failures. */
export interface BackOffOptions {
  /** After the first failure of each endpoint. Default 100 ms, as Fabric's peer. */
  readonly minBackOffMs?: number
  /** At most. Default 10,000 ms. */
  readonly maxBackOffMs?: number
}

/** Both bounds, filled in. */
export type ResolvedBackOff = Required<BackOffOptions>

/** The defaults of {@link BackOffOptions}. */
export const defaultBackOff: ResolvedBackOff = { minBackOffMs: 100, maxBackOffMs: 10_000 }

/**
 * How long to wait after `failures` in a row among `endpoints`: the minimum while each endpoint
 * failed once, twice that for the next round and so on up to the maximum; then shortened by up to
 * half at random, so that clients do not return all at once.
 *
 * @param failures - 1 or more
 * @param random - 0 inclusive to 1 exclusive
 */
export function backOffMs(
  failures: number,
  endpoints: number,
  { minBackOffMs, maxBackOffMs }: ResolvedBackOff,
  random: () => number,
): number {
  const rounds = Math.floor((failures - 1) / Math.max(1, endpoints))
  const full = Math.min(minBackOffMs * 2 ** Math.min(rounds, 30), maxBackOffMs)
  return full * (1 - random() / 2)
}

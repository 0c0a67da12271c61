// A client that is permitted takes every bound to its limit, at all validators at once.
import type { Held } from './attacker.ts'
import { besideHonestLoad } from './beside.ts'
import { attacksOn, begin, counted } from './intruders.ts'
import type { Figure } from './report.ts'

/** What is delivered: more than every bound on unread bytes. */
export const delivered = { records: 384, bytes: 400_000 }
const validators = 4

export function run(): Promise<Figure[]> {
  return besideHonestLoad({
    ...{ name: 'attacked by a client', rate: 200, share: 0.9, before: delivered },
    begin: async (network) => {
      const [attack] = await attacksOn(network, ['attacker'])
      return [await begin('attacker.ts', attack!)]
    },
    shown: async ([attacker]) => heldFigures(await counted<Held>(attacker!), validators),
  })
}

/** Half of what each validator allows. */
export function heldFigures({ connections, streams }: Held, validators: number): Figure[] {
  return [
    {
      ...{ name: 'connections that it has', value: connections, unit: '' },
      bar: { of: 'value', atLeast: 32 * validators },
    },
    {
      ...{ name: 'streams that it does not read', value: streams, unit: '' },
      bar: { of: 'value', atLeast: 8 * validators },
    },
  ]
}

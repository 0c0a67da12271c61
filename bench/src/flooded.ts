// A client that is permitted sends all validators what is cheap to send and dear to take.
import { besideHonestLoad, mebibyte } from './beside.ts'
import { attacksOn, begin, counted } from './intruders.ts'
import type { Figure } from './report.ts'

const validators = 4

export function run(): Promise<Figure[]> {
  return besideHonestLoad({
    ...{ name: 'flooded by a client', rate: 100, share: 0.9, before: { records: 10, bytes: 1000 } },
    begin: async (network) => {
      const [attack] = await attacksOn(network, ['flooder'])
      return [await begin('flooder.ts', attack!)]
    },
    shown: async ([flooder]) => {
      const bytes = await counted<number>(flooder!)
      const bar = { of: 'value', atLeast: 8 * validators } as const
      return [{ name: 'what it sent', value: bytes / mebibyte, unit: 'MiB', bar }]
    },
  })
}

// Clients that are permitted have all under way that they may have, at all validators at once.
import { besideHonestLoad, mebibyte } from './beside.ts'
import type { Crowded, Crowding } from './crowder.ts'
import { attacksOn, begin, counted } from './intruders.ts'
import type { Figure } from './report.ts'
import type { Seeking, SeekingKind, Sought } from './seeker.ts'

/** What the window of a client takes, in MiB: see `broadcastWindowBytesPerClient`. */
const windowMebibytes = 32

/** Their records, and what of the window such fill: 4,000 small ones are as many as it takes. */
const large = { recordBytes: 1_000_000, filledMebibytes: windowMebibytes }
const small = { recordBytes: 1_000, filledMebibytes: 4 }
const crowds = [
  { name: 'crowded by one, 1 MB records', clients: ['greedy0'], share: 0.9, ...large },
  { name: 'crowded by one, 1 KB records', clients: ['greedy0'], share: 0.9, ...small },
  {
    ...{ name: 'crowded by two, 1 KB records', clients: ['greedy0', 'greedy1'], ...small },
    share: undefined,
  },
]

function shownBy(
  all: readonly Crowded[],
  { filledMebibytes }: (typeof crowds)[0],
  seconds: number,
): Figure[] {
  return [
    {
      name: 'each validator has read of each client',
      value: Math.min(...all.map(({ written }) => written)) / mebibyte,
      unit: 'MiB',
      bar: { of: 'value', atLeast: filledMebibytes },
    },
    {
      name: 'answers to each of these',
      value: Math.max(...all.map(({ taken }) => taken)) / seconds,
      unit: 'tx/s',
    },
  ]
}

/** Of another organisation than the client beside them. */
const massed = { mspId: 'Org3MSP', names: Array.from({ length: 12 }, (_, at) => `massed${at}`) }

/** Clients of one organisation have blocks read for them, each as many as a client may. */
function sought(kind: SeekingKind): Promise<Figure[]> {
  return besideHonestLoad({
    ...{ name: `crowded by 12 of one organisation, ${kind}`, share: 0.9, rate: 100 },
    before: { records: 2_000, bytes: 1_000 },
    begin: async (network) => {
      const clients = await attacksOn(network, massed.names, massed.mspId)
      return [await begin('seeker.ts', { kind, clients } satisfies Seeking)]
    },
    shown: async ([seeker], seconds) => {
      const { mebibytes, streams, cpuSeconds } = await counted<Sought>(seeker!)
      return [
        {
          ...{ name: 'streams begun', value: streams, unit: '' },
          bar: { of: 'value', atLeast: 16 * massed.names.length },
        },
        { name: 'read by all together', value: mebibytes / seconds, unit: 'MiB/s' },
        { name: 'CPU that they take', value: cpuSeconds / seconds, unit: 'cores' },
      ]
    },
  })
}

export async function run(): Promise<Figure[]> {
  const figures = [...(await sought('headers')), ...(await sought('broken off'))]
  for (const crowd of crowds) {
    const { name, share, clients, recordBytes } = crowd
    figures.push(
      ...(await besideHonestLoad({
        ...{ name, share, rate: 100, before: { records: 1, bytes: 0 } },
        begin: async (network) => {
          const attacks = await attacksOn(network, clients)
          return Promise.all(
            attacks.map((attack) =>
              begin('crowder.ts', { ...attack, recordBytes } satisfies Crowding),
            ),
          )
        },
        shown: async (crowders, seconds) =>
          shownBy(await Promise.all(crowders.map(counted<Crowded>)), crowd, seconds),
      })),
    )
  }
  return figures
}

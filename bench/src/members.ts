// A validator in hostile hands has all that a member may have of the others, at all of them at once.
import { delivered, heldFigures } from './attacked.ts'
import type { Held } from './attacker.ts'
import { besideHonestLoad } from './beside.ts'
import type { HandStarted } from './hand-started.ts'
import { attackOf, attacksOn, begin, counted, type Attack } from './intruders.ts'
import type { Filled } from './member.ts'
import type { Takeover } from './member-place.ts'
import type { Figure } from './report.ts'

const hostile = 'validator3'

function filledFigures(filled: Filled): Figure[] {
  const { requests, mebibytes, unread, perSecond, connected } = filled
  return [
    {
      name: 'validators with a connection',
      value: connected,
      unit: '',
      bar: { of: 'value', atLeast: 3 },
    },
    {
      ...{ name: 'requests that wait at each', value: requests, unit: '' },
      bar: { of: 'value', atLeast: 10_000 },
    },
    {
      ...{ name: 'bytes of these', value: mebibytes, unit: 'MiB' },
      bar: { of: 'value', atLeast: 36 },
    },
    {
      ...{ name: 'messages beyond the queue for it at each', value: unread, unit: '' },
      bar: { of: 'value', atLeast: 1 },
    },
    {
      ...{ name: 'messages that it sends to each', value: perSecond, unit: '/s' },
      bar: { of: 'value', atLeast: 10_000 },
    },
  ]
}

function takeoverOf(network: HandStarted, client: Attack): Takeover {
  const all = network.names.map((name, replica) => {
    const { operations } = network.described(name)
    return { replica, config: network.path(name), operations }
  })
  const replica = network.names.indexOf(hostile)
  const others = all.filter((each) => each.replica !== replica)
  return { replica, config: network.path(hostile), others, client }
}

/** Without the attack, too, it is not among the validators that order. */
export function run(): Promise<Figure[]> {
  return besideHonestLoad({
    ...{ name: 'attacked by a member', rate: 100, share: 0.9, before: delivered },
    prepare: (network) => network.kill(hostile),
    begin: async (network) => {
      const [client] = await attacksOn(network, ['greedy0'])
      return [
        await begin('attacker.ts', await attackOf(network, hostile)),
        await begin('member.ts', takeoverOf(network, client!)),
      ]
    },
    shown: async ([reader, member]) => [
      ...heldFigures(await counted<Held>(reader!), 3),
      ...filledFigures(await counted<Filled>(member!)),
    ],
  })
}

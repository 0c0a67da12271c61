// `pnpm bench [name …]`: every figure beside its limit, as a table and in bench/results/latest.json.
import type { Figure } from './report.ts'
import { meetsBar, table, writeJson } from './report.ts'

const benches: Record<string, () => Promise<{ run: () => Promise<Figure[]> }>> = {
  events: () => import('./events.ts'),
  ledger: () => import('./ledger.ts'),
  comm: () => import('./comm.ts'),
  pbft: () => import('./pbft.ts'),
  floods: () => import('./floods.ts'),
  known: () => import('./known.ts'),
  network: () => import('./network.ts'),
  attacked: () => import('./attacked.ts'),
  flooded: () => import('./flooded.ts'),
  crowded: () => import('./crowded.ts'),
  members: () => import('./members.ts'),
}

const wanted = process.argv.slice(2)
for (const name of wanted) {
  if (name in benches) continue
  console.error(`no bench named ${name}; there are: ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}

const figures: Figure[] = []
for (const [name, load] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.error(`measuring ${name} …`)
  figures.push(...(await (await load()).run()))
}
console.log(table(figures))
writeJson(new URL('../results/latest.json', import.meta.url), figures)
const missed = figures.filter((figure) => meetsBar(figure) === false)
for (const figure of missed) console.error(`missed its bar: ${figure.name}`)
process.exit(missed.length === 0 ? 0 : 1)

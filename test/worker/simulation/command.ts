/**
 * `node test/worker/simulation/command.ts --seeds 100000`, or `--seed 7` to see one seed again, with all that is stored
 * on the way; `--until-failure` to see no more than the first that fails. With `--storage` it is what lies between objects and the
 * directory that is simulated, instead of the saga. Ends with an error when an invariant did not hold.
 */
import { simulate, type Summary } from './simulate.ts'
import { simulateStorage } from './storage.ts'

// The tests beside this file run in workerd and have no types of Node.
const { argv } = (globalThis as unknown as { process: { argv: string[] } }).process

function option(name: string): number | undefined {
  const index = argv.indexOf(`--${name}`)
  return index < 0 ? undefined : Number(argv[index + 1])
}

const isStorage = argv.includes('--storage')
// What objects log of a directory that is down is of no use here.
if (isStorage) console.warn = console.info = () => {}

async function run(seed: number, log?: (line: string) => void): Promise<Summary | null> {
  if (!isStorage) return simulate(seed, log)
  await simulateStorage(seed, log)
  return null
}

const seed = option('seed')
if (seed !== undefined) {
  console.log(await run(seed, console.log))
} else {
  const seeds = option('seeds') ?? 2_000
  const from = option('from') ?? 1
  const startedAt = performance.now()
  const failures: string[] = []
  const total = { events: 0, created: 0, failed: 0, evictions: 0, suspensions: 0 }
  for (let current = from; current < from + seeds; current++) {
    try {
      const summary = await run(current)
      for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += summary?.[name] ?? 0
    } catch (error) {
      failures.push(String(error).slice(0, 400))
      console.error(failures.at(-1))
      if (argv.includes('--until-failure')) break
    }
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log({ seeds, from, failures: failures.length, seconds, ...total })
  if (failures.length > 0) throw new Error(`${failures.length} of ${seeds} seeds failed`)
}

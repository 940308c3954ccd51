// Signs tenants up while the whole stack (npm start, the local Turso, wrangler, workerd) is killed with kill -9 over and
// over, and looks at what is left. By hand: node test/start/killed-signups.ts --signups 200 --kills 40 --seed 1

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connect, createPlatform } from '../../src/index.ts'
import { createRandom } from '../worker/simulation/random.ts'
import { descendantsOf, stillRunning, waitFor } from './processes.ts'
import { startStack, stopStack, type Stack } from './stack.ts'

export interface Outcome {
  signups: number
  kills: number
  /** Requests that a kill has cut off, or that came while nothing was there. */
  lost: number
  /** Tenants with the status `active`, whose token opens their database, which has the schema. */
  usable: number
  /** Databases at Turso. */
  databases: number
  /** Of these, those that no tenant has. */
  strangers: number
  orphans: number
  /** Calls to Turso of which no object lived to see the end. */
  interrupted: number
}

type Findings = Omit<Outcome, 'signups' | 'kills' | 'lost'>

interface Options {
  signups: number
  kills: number
  seed: number
  concurrency?: number
}

/** Milliseconds from a signup's request to the kill, unless one of those that are under way has its answer before. */
const LONGEST_DELAY_MS = 60

const RETRY_MS = 100

const headers = { authorization: 'Bearer dev-key', 'content-type': 'application/json' }

export async function killDuringSignups({
  signups,
  kills,
  seed,
  concurrency = 4,
}: Options): Promise<Outcome> {
  const random = createRandom(seed)
  const folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-kills-'))
  const start = (): Promise<Stack> => startStack(path.join(folder, 'data'))
  let stack = start()
  let lost = 0
  /** Each kill comes so many milliseconds after so many signups were begun. */
  const plan = Array.from({ length: kills }, () => ({
    after: random.between(1, signups),
    delayMs: random.between(0, LONGEST_DELAY_MS),
  })).toSorted((a, b) => a.after - b.after)

  let answered = (): void => undefined

  /** All at once, `delayMs` from now; or as soon as a signup has its answer, with others under way. */
  async function killAll(delayMs: number): Promise<void> {
    const { pid } = await stack
    const below = await descendantsOf(pid)
    await Promise.race([sleep(delayMs), new Promise<void>((resolve) => (answered = resolve))])
    for (const each of [pid, ...below.map((process) => process.pid)]) killNow(each)
    await waitFor('the end of all that was killed', async () => (await stillRunning(below)).length === 0)
    await (
      await stack
    ).ended
  }

  let begun = 0
  let killing: Promise<void> = Promise.resolve()
  function mayKill(): void {
    begun += 1
    while (plan[0] !== undefined && plan[0].after <= begun) {
      const { delayMs } = plan.shift()!
      killing = killing.then(async () => {
        await killAll(delayMs)
        stack = start()
      })
    }
  }

  /** As a backend would: the same request until it has an answer that settles it. */
  async function signUp(id: string): Promise<{ name: string; http_url: string; jwt: string }> {
    for (;;) {
      try {
        const { url } = await stack
        const response = await fetch(`${url}/v1/tenants`, {
          method: 'POST',
          headers: { ...headers, 'idempotency-key': id },
          body: JSON.stringify({ id }),
        })
        const body = (await response.json()) as {
          database: { name: string; http_url: string }
          token: { jwt: string }
        }
        if (response.status === 201) return { ...body.database, jwt: body.token.jwt }
        if (![202, 409, 429, 500, 503].includes(response.status))
          throw new RangeError(`${id}: ${response.status} ${JSON.stringify(body)}`)
      } catch (error) {
        if (error instanceof RangeError) throw error
        lost += 1
      }
      await sleep(RETRY_MS)
    }
  }

  try {
    const ids = Array.from({ length: signups }, (_, n) => `tenant-${n}`)
    const waiting = [...ids]
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        mayKill()
        await signUp(id)
        answered()
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
    await killing
    return { signups, kills, lost, ...(await lookAround(await stack, ids)) }
  } finally {
    await killing.catch(() => undefined)
    await stopStack(await stack)
    await rm(folder, { recursive: true, force: true })
  }
}

/** What is left, by everybody's account. */
async function lookAround({ url, tursoUrl }: Stack, ids: readonly string[]): Promise<Findings> {
  const turso = createPlatform({ token: 'local-platform-token', organization: 'local', baseUrl: tursoUrl })
  const databases = new Set<string>()
  for await (const { name } of turso.databases.list()) databases.add(name)
  const strangers = new Set(databases)
  let usable = 0
  let orphans = 0
  let interrupted = 0
  for (const id of ids) {
    const response = await retrieve(`${url}/v1/tenants/${id}`)
    const answer = (await response.json()) as {
      tenant: { status: string }
      database?: { name: string; http_url: string }
      orphans: unknown[]
      timeline: { outcome: string }[]
    }
    orphans += answer.orphans.length
    interrupted += answer.timeline.filter(({ outcome }) => outcome === 'interrupted').length
    const { database } = answer
    if (answer.tenant.status !== 'active' || database === undefined || !strangers.delete(database.name))
      continue
    const authToken = await turso.databases.createToken(database.name)
    const { rows } = await connect({ url: database.http_url, authToken }).execute('select * from notes')
    if (rows.length === 0) usable += 1
  }
  return { usable, databases: databases.size, strangers: strangers.size, orphans, interrupted }
}

/** Within the rate limit of its key, which a quick machine reaches. */
async function retrieve(url: string): Promise<Response> {
  for (;;) {
    const response = await fetch(url, { headers })
    if (response.ok) return response
    if (response.status !== 429) throw new Error(`${url}: ${response.status} ${await response.text()}`)
    await sleep(Number(response.headers.get('retry-after')) * 1000)
  }
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself, as its parent was killed just now.
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      signups: { type: 'string', default: '200' },
      kills: { type: 'string', default: '40' },
      seed: { type: 'string', default: '1' },
    },
  })
  const [signups, kills, seed] = [values.signups, values.kills, values.seed].map(Number) as [
    number,
    number,
    number,
  ]
  const outcome = await killDuringSignups({ signups, kills, seed })
  console.log(outcome)
  const { usable, databases, strangers, orphans } = outcome
  if (usable !== signups || databases !== signups || strangers + orphans > 0) process.exitCode = 1
}

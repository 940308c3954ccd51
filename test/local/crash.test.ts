/**
 * `kill -9` in the middle of everything: what was acknowledged is there afterwards, all of it or nothing of what was
 * not, and the catalogue says what there is.
 *
 * `CRASH_SEED` picks other times (default 1).
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ended, listen, post, temporaryFolder, TIMEOUT_MS } from './command-process.ts'
import { rowsOf, start, statement } from './harness.ts'

const seed = Number(process.env['CRASH_SEED'] ?? 1)
const PLATFORM_TOKEN = 'local-platform-token'

/** What the client of a database knows about it. */
interface Known {
  token: string
  /** The pairs whose commit was acknowledged. */
  committed: Set<number>
  isDeleted: boolean
  /** A request was under way when the process was killed, so it may or may not be there. */
  isUncertain: boolean
}

/** When to kill: after so many acknowledgements, and then so many milliseconds. */
const kills = fc.sample(fc.tuple(fc.integer({ min: 20, max: 150 }), fc.nat({ max: 20 })), {
  seed,
  numRuns: 5,
})

test(
  `loses nothing that was acknowledged in ${kills.length} crashes (CRASH_SEED=${seed})`,
  { timeout: 600_000 },
  async () => {
    const data = temporaryFolder()
    const known = new Map<string, Known>()
    for (const [round, [acknowledgements, delayMs]] of kills.entries()) {
      const { child, url } = await listen('--data', data)
      await check(url, known)
      const client = createClient(url)
      await client.createGroup()
      const workers = [0, 1, 2].map((worker) => work(client, known, `r${round}-w${worker}`))
      await expect
        .poll(client.acknowledged, { timeout: TIMEOUT_MS, interval: 2 })
        .toBeGreaterThanOrEqual(acknowledgements)
      // Anywhere in a request, not only right after an answer.
      await new Promise((resolve) => setTimeout(resolve, delayMs))
      const killed = ended(child)
      child.kill('SIGKILL')
      expect(await killed).toBe('SIGKILL')
      // They end as soon as nobody answers.
      await Promise.all(workers)
    }

    const { url, child } = await listen('--data', data)
    await check(url, known)
    child.kill()
    expect(await ended(child)).toBe(0)

    const { api, call } = await start({ data })
    const { id } = (await api('GET', '/local')).body.organization
    const deleted = await call('GET', `/v3/organizations/${id}/databases?deleted=true&limit=1000`)
    const listed: { Name: string; DbId: string }[] = (await api('GET', 'databases')).body.databases
    const files = readdirSync(join(data, 'databases')).filter((file) => file.endsWith('.db'))
    // What was deleted can be restored for five days.
    const existing: typeof listed = [...listed, ...deleted.body.databases]
    expect(files.toSorted()).toEqual(existing.map(({ DbId }) => `${DbId}.db`).toSorted())
  },
)

function createClient(url: string) {
  let acknowledged = 0
  const organization = `${url}/v1/organizations/local`
  const send = async (method: string, path: string, token: string, body: unknown) => {
    const response = await fetch(path, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(method === 'POST' && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
    acknowledged++
    return JSON.parse(text)
  }
  return {
    acknowledged: () => acknowledged,
    createGroup: () =>
      post(`${organization}/groups`, PLATFORM_TOKEN, { name: 'default', location: 'aws-eu-west-1' }),
    create: (name: string) =>
      send('POST', `${organization}/databases`, PLATFORM_TOKEN, { name, group: 'default' }),
    createToken: async (name: string): Promise<string> =>
      (await send('POST', `${organization}/databases/${name}/auth/tokens`, PLATFORM_TOKEN, {})).jwt,
    delete: (name: string) => send('DELETE', `${organization}/databases/${name}`, PLATFORM_TOKEN, undefined),
    /** Keeps the stream open only when it begins something. */
    pipeline: (name: string, token: string, baton: string | null, ...sql: string[]) =>
      send('POST', `${url}/db/${name}/v3/pipeline`, token, {
        baton,
        requests: [...sql.map(statement), ...(sql[0] === 'begin' ? [] : [{ type: 'close' }])],
      }),
  }
}

/** Makes databases, writes pairs of rows into them and deletes every third, until nobody answers any more. */
async function work(
  client: ReturnType<typeof createClient>,
  known: Map<string, Known>,
  prefix: string,
): Promise<void> {
  for (let count = 0; ; count++) {
    const name = `${prefix}-${count}`
    const state: Known = { token: '', committed: new Set(), isDeleted: false, isUncertain: true }
    known.set(name, state)
    try {
      await client.create(name)
      state.isUncertain = false
      state.token = await client.createToken(name)
      await client.pipeline(name, state.token, null, 'create table pairs (n, half)')
      for (let n = 0; n < 8; n++) {
        const { baton } = await client.pipeline(
          name,
          state.token,
          null,
          'begin',
          `insert into pairs values (${n}, 1)`,
        )
        await client.pipeline(name, state.token, baton, `insert into pairs values (${n}, 2)`, 'commit')
        state.committed.add(n)
      }
      if (count % 3 === 2) {
        state.isUncertain = true
        await client.delete(name)
        state.isDeleted = true
        state.isUncertain = false
      }
    } catch (error) {
      // What the process said before it was killed would be a mistake of its own.
      if (/^\d+: /.test((error as Error).message)) throw error
      return
    }
  }
}

/** Compares what the clients know with what is there. */
async function check(url: string, known: Map<string, Known>): Promise<void> {
  const answer = await fetch(`${url}/v1/organizations/local/databases`, {
    headers: { authorization: `Bearer ${PLATFORM_TOKEN}` },
  })
  const { databases } = (await answer.json()) as { databases: { Name: string }[] }
  const names = new Set(databases.map(({ Name }) => Name))
  for (const [name, { token, committed, isDeleted, isUncertain }] of known) {
    if (isUncertain) continue
    expect([name, names.has(name)]).toEqual([name, !isDeleted])
    if (isDeleted || committed.size === 0) continue
    // The token is from before the crash.
    const requests = [statement('select n, count(*) from pairs group by n'), { type: 'close' }]
    const { body } = await post(`${url}/db/${name}/v3/pipeline`, token, { requests })
    const pairs = rowsOf(body.results[0]).map((row) =>
      row.map((value) => Number((value as { value: string }).value)),
    )
    for (const [, halves] of pairs) expect(halves).toBe(2)
    const present = new Set(pairs.map(([n]) => n))
    expect([...committed].filter((n) => !present.has(n))).toEqual([])
  }
}

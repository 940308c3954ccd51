/**
 * `kill -9` amid calls of the management API: what was acknowledged has happened, and of everything else either all or
 * nothing, its entry in the audit log included.
 */
import { expect, test } from 'vitest'
import { ended, listen, post, temporaryFolder, TIMEOUT_MS } from './command-process.ts'
import { rowsOf, start } from './harness.ts'

const TOKEN = 'local-platform-token'

/** What the answers said about a copy of the template. */
interface Copy {
  /** Tokens from before a rotation that was acknowledged. */
  dead: string[]
  /** The last token, unless a rotation was under way. */
  alive: string | undefined
  state: 'live' | 'deleted' | 'uncertain'
}

test('what the management API acknowledged survives three crashes', { timeout: 600_000 }, async () => {
  const data = temporaryFolder()
  const copies = new Map<string, Copy>()
  for (const [round, killAfter] of [15, 40, 70].entries()) {
    const { child, url } = await listen('--data', data)
    const organization = `${url}/v1/organizations/local`
    let acknowledged = 0
    const send = async (path: string, body: unknown = {}) => {
      const { status, text, body: answer } = await post(`${organization}/${path}`, TOKEN, body)
      if (status !== 200) throw new Error(`${status}: ${text}`)
      acknowledged++
      return answer
    }
    if (round === 0) {
      await send('groups', { name: 'default', location: 'aws-eu-west-1' })
      await send('databases', { name: 'template', group: 'default' })
      const { jwt } = await send('databases/template/auth/tokens')
      const sql = ['create table t (a)', 'insert into t values (42)']
      const requests = [...sql.map((text) => ({ type: 'execute', stmt: { sql: text } })), { type: 'close' }]
      const { status, text } = await post(`${url}/db/template/v3/pipeline`, jwt, { requests })
      if (status !== 200) throw new Error(text)
    }
    const workers = [0, 1].map(async (worker) => {
      for (let count = 0; ; count++) {
        const name = `r${round}-w${worker}-${count}`
        const copy: Copy = { dead: [], alive: undefined, state: 'uncertain' }
        copies.set(name, copy)
        const seed = { type: 'database', name: 'template' }
        await send('databases', { name, group: 'default', seed })
        copy.state = 'live'
        const old: string = (await send(`databases/${name}/auth/tokens`)).jwt
        await send(`databases/${name}/auth/rotate`)
        copy.dead.push(old)
        copy.alive = (await send(`databases/${name}/auth/tokens`)).jwt
        if (count % 2 === 0) continue
        copy.state = 'uncertain'
        const deleted = await fetch(`${organization}/databases/${name}`, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${TOKEN}` },
        })
        await deleted.text()
        copy.state = 'deleted'
        acknowledged++
      }
    })
    const stopped = Promise.allSettled(workers)
    await expect
      .poll(() => acknowledged, { timeout: TIMEOUT_MS, interval: 1 })
      .toBeGreaterThanOrEqual(killAfter)
    const killed = ended(child)
    child.kill('SIGKILL')
    expect(await killed).toBe('SIGKILL')
    for (const { status, reason } of (await stopped) as PromiseRejectedResult[]) {
      // They ended because nobody answered, not because of an answer.
      expect([status, /^\d+: /.test((reason as Error).message)]).toEqual(['rejected', false])
    }
  }

  const { api, call, use } = await start({ data })
  for (const [name, { dead, alive, state }] of copies) {
    const { status } = await api('GET', `databases/${name}`)
    if (state === 'uncertain' && status === 404) continue
    expect([name, status]).toEqual([name, state === 'deleted' ? 404 : 200])
    if (state === 'deleted') continue
    const database = await use(name)
    expect(rowsOf((await database.execute('select a from t'))[0])).toEqual([
      [{ type: 'integer', value: '42' }],
    ])
    const statusOf = async (jwt: string) => (await database.send({ requests: [] }, { jwt })).status
    const living = alive === undefined ? [] : [alive]
    expect(await Promise.all(dead.map(statusOf))).toEqual(dead.map(() => 401))
    expect(await Promise.all(living.map(statusOf))).toEqual(living.map(() => 200))
  }

  const { id } = (await api('GET', '/local')).body.organization
  const count = async (path: string) => (await call('GET', path)).body.databases.length as number
  const live = await count('/v1/organizations/local/databases')
  const deleted = await count(`/v3/organizations/${id}/databases?deleted=true&limit=1000`)
  const { total_pages } = (await api('GET', 'audit-logs?page_size=100')).body.pagination
  const codes: string[] = []
  for (let page = 1; page <= total_pages; page++) {
    const { audit_logs } = (await api('GET', `audit-logs?page_size=100&page=${page}`)).body
    codes.push(...audit_logs.map(({ code }: { code: string }) => code))
  }
  const occurrences = (code: string) => codes.filter((found) => found === code).length
  expect([occurrences('db-create'), occurrences('db-delete')]).toEqual([live + deleted, deleted])
})

// Moves money between accounts of a tenant, by every kind of client at once and by way of the gateway, while the database
// fails, operators end sessions and workerd is killed; then looks whether what each client was told is what is there.
// By hand: node test/stack/transfers.ts --seconds 120 --seed 1

import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createClient, type Client, type Transaction } from '@libsql/client'
import type { SourceChange } from '../support/stack/bundle.ts'
import { startStack, type Stack } from '../support/stack/stack.ts'
import type { BehaviourName, Fault } from '../../local/index.ts'
import { connect, isTursoError, type Database } from '../../src/index.ts'
import { createRandom, type Random } from '../worker/simulation/random.ts'
import type { TellerRequest } from './teller-worker/index.ts'
import { signUp } from './worker-and-turso.ts'

/** What a client knows of its transfer. */
type Told = 'committed' | 'not_committed' | 'unknown'

export interface Outcome {
  /** By the kind of client. */
  committed: Record<string, number>
  notCommitted: number
  unknown: number
  /** Of the unknown ones, those that are there. */
  unknownThere: number
  /** How often each trouble was made. */
  troubles: Record<string, number>
  /** What is not as it must be; none. */
  wrong: string[]
}

interface Options {
  seconds: number
  /** It lasts longer, until so many faults of the database have fired. Default 5. */
  fired?: number
  seed: number
  behaviour?: BehaviourName
  /** Only these troubles, by their names. */
  only?: readonly string[]
  /** Other source that the Worker is made of. */
  changes?: readonly SourceChange[]
}

const CLIENTS_OF_EACH_KIND = 2

const ACCOUNTS = 10
const MONEY_OF_EACH = 1_000
const MOST_PAUSE_BETWEEN_TROUBLES_MS = 1_000
const MOST_THINKING_MS = 25
/** A transaction that nobody ends is ended for its client's absence before that. */
const ALL_OVER_MS = 30_000

const admin = { headers: { authorization: 'Bearer admin-key', 'content-type': 'application/json' } }

interface Transfer {
  id: string
  from: number
  to: number
  amount: number
}

/** Runs a transfer in one way; throws only what it does not expect. */
type Teller = (transfer: Transfer, random: Random) => Promise<Told>

export async function transferInTrouble({
  seconds,
  fired = 5,
  seed,
  behaviour = 'spec',
  only,
  changes = [],
}: Options): Promise<Outcome> {
  const stack = await startStack(0, { behaviour, changes, caller: 'test/stack/teller-worker/index.ts' })
  const over = new AbortController()
  try {
    const { database, token } = await signUp(stack, 'bank')
    const url = database.gateway_url
    const direct = connect({ url: database.http_url, authToken: token.jwt })
    await direct.batch([
      'create table accounts (id integer primary key, balance integer not null check (balance >= 0))',
      'create table transfers (id text primary key, source integer, target integer, amount integer)',
      ...Array.from({ length: ACCOUNTS }, (_, id) => ({
        sql: 'insert into accounts values (?, ?)',
        args: [id, MONEY_OF_EACH],
      })),
    ])
    const told = new Map<string, Told>()
    const clients: Client[] = []
    const open = (of: string) => (): Client => {
      const client = createClient({ url: of, authToken: token.jwt })
      clients.push(client)
      return client
    }
    const tellers: Record<string, () => Teller> = {
      library: () => byLibrary(connect({ url, authToken: token.jwt })),
      batch: () => byBatch(open(url)()),
      http: () => byTransaction(open(url)),
      binding: () => byBinding(`${stack.url}/caller`),
      socket: () => byTransaction(open(url.replace(/^http/, 'ws'))),
    }
    const work = async (kind: string, number: number): Promise<void> => {
      const random = createRandom(seed * 1_000 + number)
      const tell = tellers[kind]!()
      for (let count = 0; !over.signal.aborted; count++) {
        const id = `${kind}-${number}-${count}`
        const from = random.between(0, ACCOUNTS - 1)
        const to = (from + random.between(1, ACCOUNTS - 1)) % ACCOUNTS
        told.set(id, await tell({ id, from, to, amount: random.between(1, 20) }, random))
        if (told.get(id) !== 'committed') await sleep(random.between(0, 50))
      }
    }
    const workers = Object.keys(tellers).flatMap((kind, of) =>
      Array.from({ length: CLIENTS_OF_EACH_KIND }, (_, n) => work(kind, of * CLIENTS_OF_EACH_KIND + n)),
    )
    const troubles = await makeTrouble(stack, database.name, createRandom(seed), {
      forMs: seconds * 1_000,
      fired,
      only,
    })
    await untilAllCommitAgain(told, Object.keys(tellers))
    over.abort()
    await Promise.all(workers)
    for (const client of clients) client.close()
    await allOver(stack, database.name)
    return { ...(await compare(direct, told)), troubles }
  } finally {
    over.abort()
    await stack.close()
  }
}

/** Of a statement or a commit that failed: whether its error says that nothing of the transaction remains. */
const SAYS_NOTHING_REMAINS = /^(STREAM_EXPIRED|SESSION_LIMIT|SESSIONS_DRAINED|TRANSACTION_CLOSED|SQLITE_)/

function byLibrary(db: Database): Teller {
  return async ({ id, from, to, amount }, random) => {
    let isLast = false
    try {
      await db.transaction(async (tx) => {
        const { rows } = await tx.execute('select id, balance from accounts where id in (?, ?)', [from, to])
        const balances = new Map(rows.map((row) => [row['id'], Number(row['balance'])]))
        await sleep(random.between(0, MOST_THINKING_MS))
        await tx.batch([
          { sql: 'update accounts set balance = ? where id = ?', args: [balances.get(from)! - amount, from] },
          { sql: 'update accounts set balance = ? where id = ?', args: [balances.get(to)! + amount, to] },
        ])
        isLast = true
        await tx.execute('insert into transfers values (?, ?, ?, ?)', [id, from, to, amount])
      })
      return 'committed'
    } catch (error) {
      if (!isTursoError(error)) throw error
      if (isTursoError(error, 'stream_lost'))
        return error.outcome === 'rolled_back' ? 'not_committed' : 'unknown'
      if (isTursoError(error, 'sql_error')) return 'not_committed'
      return isLast ? 'unknown' : 'not_committed'
    }
  }
}

function byBatch(client: Client): Teller {
  return async ({ id, from, to, amount }) => {
    try {
      await client.batch(
        [
          { sql: 'update accounts set balance = balance - ? where id = ?', args: [amount, from] },
          { sql: 'update accounts set balance = balance + ? where id = ?', args: [amount, to] },
          { sql: 'insert into transfers values (?, ?, ?, ?)', args: [id, from, to, amount] },
        ],
        'write',
      )
      return 'committed'
    } catch (error) {
      return SAYS_NOTHING_REMAINS.test(codeOf(error)) ? 'not_committed' : 'unknown'
    }
  }
}

function byTransaction(open: () => Client): Teller {
  let client = open()
  return async ({ id, from, to, amount }, random) => {
    let tx: Transaction | undefined
    let isCommitting = false
    try {
      tx = await client.transaction('write')
      const { rows } = await tx.execute({
        sql: 'select id, balance from accounts where id in (?, ?)',
        args: [from, to],
      })
      const balances = new Map(rows.map((row) => [Number(row['id']), Number(row['balance'])]))
      await sleep(random.between(0, MOST_THINKING_MS))
      await tx.batch([
        { sql: 'update accounts set balance = ? where id = ?', args: [balances.get(from)! - amount, from] },
        { sql: 'update accounts set balance = ? where id = ?', args: [balances.get(to)! + amount, to] },
        { sql: 'insert into transfers values (?, ?, ?, ?)', args: [id, from, to, amount] },
      ])
      if (random.chance(0.1)) {
        // Gives up, in one of three ways.
        const way = random.between(0, 2)
        if (way === 0) await tx.rollback()
        else if (way === 1) tx.close()
        else {
          client.close()
          client = open()
        }
        return 'not_committed'
      }
      isCommitting = true
      await tx.commit()
      return 'committed'
    } catch (error) {
      if (error instanceof TypeError && !/fetch|terminated/.test(error.message)) throw error
      if (client.closed) client = open()
      return !isCommitting || SAYS_NOTHING_REMAINS.test(codeOf(error)) ? 'not_committed' : 'unknown'
    } finally {
      tx?.close()
    }
  }
}

function byBinding(url: string): Teller {
  return async (transfer, random) => {
    const request: TellerRequest = {
      ...transfer,
      tenant: 'bank',
      thinkingMs: random.between(0, MOST_THINKING_MS),
      givesUp: random.chance(0.1),
    }
    try {
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(request) })
      return ((await response.json()) as { told: Told }).told
    } catch {
      // The caller went down with the Worker.
      return 'unknown'
    }
  }
}

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''

/** One trouble after the other, until the time is up. */
async function makeTrouble(
  stack: Stack,
  database: string,
  random: Random,
  { forMs, fired, only }: { forMs: number; fired: number; only: readonly string[] | undefined },
): Promise<Record<string, number>> {
  const count: Record<string, number> = {}
  const once = { on: `POST /db/${database}/**`, nth: 1 } as const
  const effect = (): boolean => random.chance(0.5)
  const faults: Record<string, () => Fault> = {
    latency: () => ({ ...once, kind: 'latency', ms: random.between(0, 400) }),
    reset_before: () => ({ ...once, kind: 'reset_before' }),
    reset_after: () => ({ ...once, kind: 'reset_after' }),
    lost_commit: () => ({ ...once, containing: 'COMMIT', kind: 'reset_after' }),
    server_error: () => ({
      ...once,
      kind: 'server_error',
      status: random.pick([500, 503]),
      effect: effect(),
    }),
    html: () => ({ ...once, kind: 'html', effect: effect() }),
    truncated: () => ({
      ...once,
      kind: 'truncated',
      share: random.next(),
      ending: random.pick(['cut', 'clean']),
    }),
    slow_body: () => ({ ...once, kind: 'slow_body', ms: [1, 20] }),
    wrong_shape: () => ({ ...once, kind: 'wrong_shape', effect: effect() }),
    stream_expired: () => ({ ...once, kind: 'stream_expired' }),
    restart: () => ({ ...once, kind: 'restart' }),
    base_url: () => ({ ...once, kind: 'base_url', url: 'https://elsewhere.invalid/' }),
  }
  const others: Record<string, () => Promise<unknown>> = {
    async kill() {
      const response = await fetch(`${stack.url}/v1/sessions?tenant=bank`, admin)
      const { sessions } = (await response.json()) as { sessions: { id: string }[] }
      if (sessions.length === 0) return
      await fetch(`${stack.url}/v1/sessions/${random.pick(sessions).id}`, { ...admin, method: 'DELETE' })
    },
    async drain() {
      const body = JSON.stringify({ tenant: 'bank', seconds: 1 })
      await fetch(`${stack.url}/v1/sessions/drain`, { ...admin, method: 'POST', body })
    },
    async suspend() {
      for (const suspended of [true, false])
        await fetch(`${stack.url}/v1/tenants/bank`, {
          ...admin,
          method: 'PATCH',
          body: JSON.stringify({ suspended }),
        })
    },
    crash: () => stack.crash(),
  }
  const isWanted = (name: string): boolean => only === undefined || only.includes(name)
  const [ofDatabase, ofOthers] = [faults, others].map((each) => Object.keys(each).filter(isWanted))
  const until = performance.now() + forMs
  while (performance.now() < until || stack.turso.faults.fired().length < fired) {
    await sleep(random.between(0, MOST_PAUSE_BETWEEN_TROUBLES_MS))
    const name = random.pick(ofOthers!.length > 0 && random.chance(0.2) ? ofOthers! : ofDatabase!)
    const fault = faults[name]?.()
    if (fault) stack.turso.faults.add(fault)
    else await others[name]!()
    count[name] = (count[name] ?? 0) + 1
  }
  stack.turso.faults.clear()
  return count
}

/** What has failed must leave nothing behind that keeps clients from their work. */
async function untilAllCommitAgain(told: ReadonlyMap<string, Told>, kinds: readonly string[]): Promise<void> {
  const before = new Set(told.keys())
  const until = performance.now() + ALL_OVER_MS
  const hasCommitted = (kind: string): boolean =>
    [...told].some(([id, what]) => what === 'committed' && id.startsWith(`${kind}-`) && !before.has(id))
  while (!kinds.every(hasCommitted)) {
    if (performance.now() > until) throw new Error('clients commit nothing although nothing fails any more')
    await sleep(50)
  }
}

/**
 * Waits until the database has no transaction of the tenant any more, which the limits of the gateway see to, and the
 * gateway itself knows of none.
 */
async function allOver({ turso, url }: Stack, database: string): Promise<void> {
  const until = performance.now() + ALL_OVER_MS
  for (;;) {
    const open = turso.streams().filter((stream) => stream.database === database && stream.inTransaction)
    const response = await fetch(`${url}/v1/sessions?tenant=bank`, admin)
    const { sessions } = (await response.json()) as { sessions: { id: string; status: string }[] }
    const held = sessions.filter(({ status }) => status === 'in_transaction' || status === 'in_flight')
    if (open.length + held.length === 0) return
    if (performance.now() > until)
      throw new Error(`still open: ${JSON.stringify(open)}, and by the gateway ${JSON.stringify(held)}`)
    await sleep(100)
  }
}

/** What the database says beside what the clients were told. */
async function compare(db: Database, told: ReadonlyMap<string, Told>): Promise<Omit<Outcome, 'troubles'>> {
  const wrong: string[] = []
  const [accounts, transfers] = await db.batch([
    'select id, balance from accounts',
    'select id, source, target, amount from transfers',
  ])
  const balances = Array.from({ length: ACCOUNTS }, () => MONEY_OF_EACH)
  const there = new Set<unknown>()
  for (const { id, source, target, amount } of transfers!.rows) {
    there.add(id)
    balances[Number(source)]! -= Number(amount)
    balances[Number(target)]! += Number(amount)
  }
  for (const { id, balance } of accounts!.rows)
    if (balances[Number(id)] !== balance)
      wrong.push(`account ${String(id)} has ${String(balance)}, by its transfers ${balances[Number(id)]}`)
  for (const [id, what] of told)
    if (what !== 'unknown' && there.has(id) !== (what === 'committed'))
      wrong.push(`${id} is ${there.has(id) ? 'there' : 'not there'}, and its client was told ${what}`)
  for (const id of there) if (!told.has(String(id))) wrong.push(`${String(id)} was never asked for`)
  const all = [...told]
  const committed: Record<string, number> = {}
  for (const [id, what] of all) {
    const kind = id.split('-')[0]!
    committed[kind] = (committed[kind] ?? 0) + (what === 'committed' ? 1 : 0)
  }
  const numberOf = (what: Told): number => all.filter(([, each]) => each === what).length
  return {
    committed,
    notCommitted: numberOf('not_committed'),
    unknown: numberOf('unknown'),
    unknownThere: all.filter(([id, what]) => what === 'unknown' && there.has(id)).length,
    wrong,
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      behaviour: { type: 'string', default: 'spec' },
    },
  })
  const outcome = await transferInTrouble({
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    behaviour: values.behaviour as BehaviourName,
  })
  console.log(outcome)
  if (outcome.wrong.length > 0) process.exitCode = 1
}

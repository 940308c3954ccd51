/**
 * Random transactions by pipelines and cursors, while the database answers with anything, the object goes away, and operators
 * and limits end sessions: whatever their client is told is so, and nothing runs twice.
 */
import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { FaultKind } from '../../local/faults/script.ts'
import { SESSION_IDLE_MS } from '../../worker/limits.ts'
import { clearFaults, failNext } from '../support/turso.ts'
import { call, signUpNow, type SignupAnswer } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { answerOf, close, execute, sessionOf, type PipelineAnswer } from './gateway-client.ts'

const RUNS = 50

let tenant: SignupAnswer

beforeAll(async () => {
  tenant = await signUpNow({ id: 'truth' })
})

const answers: FaultKind[] = [
  { kind: 'reset_before' },
  { kind: 'rate_limited' },
  { kind: 'redirect', to: 'https://evil.example/' },
  { kind: 'base_url', url: 'https://evil.example' },
  { kind: 'stream_expired' },
  { kind: 'restart' },
  { kind: 'respond', status: 400, body: '{"message":"expired","code":"STREAM_EXPIRED"}' },
  { kind: 'respond', status: 401, body: '{"error":"no"}' },
  { kind: 'replace', from: '{"baton":"', to: '{"baton":null,"x":"' },
  ...[0.2, 0.6, 0.9, 0.97].map((share): FaultKind => ({ kind: 'truncated', share, ending: 'clean' })),
  ...[true, false].flatMap((effect): FaultKind[] => [
    { kind: 'respond', status: 200, effect },
    { kind: 'respond', status: 204, effect },
    { kind: 'html', effect },
    { kind: 'wrong_shape', effect },
    { kind: 'wrong_shape', effect, body: { baton: null, base_url: null, results: [] } },
  ]),
]

/** Mostly nothing, or no transaction would come to its end. */
const seldom = <T>(trouble: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ arbitrary: fc.constant(null), weight: 5 }, { arbitrary: trouble, weight: 1 })

const moves = fc.array(
  fc.record({
    by: fc.constantFrom('pipeline', 'cursor'),
    before: seldom(fc.constantFrom('evict', 'kill', 'drain', 'alarm')),
    answer: seldom(fc.constantFrom(...answers)),
  }),
  { minLength: 2, maxLength: 5 },
)
const histories = fc.record({
  begin: fc.constantFrom(null, 'begin', 'begin immediate'),
  moves,
  endsWithClose: fc.boolean(),
})

interface Told {
  /** All of it has run; it has not, and nothing of its transaction remains; or neither is known. */
  what: 'done' | 'rolled_back' | 'unknown'
  baton: string | null
}

function post(endpoint: string, body: object): Promise<Response> {
  return call(`/t/truth/v3/${endpoint}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.token.jwt}` },
    body: JSON.stringify(body),
  })
}

/** What a client makes of a text that may be nothing that it knows. */
function read(text: string): Partial<PipelineAnswer> & { outcome?: string; type?: string } {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

async function send(by: string, baton: string | null, texts: string[], closes: boolean): Promise<Told> {
  const steps = texts.map((sql, step) => ({
    stmt: { sql },
    ...(step === 0 ? {} : { condition: { type: 'ok', step: step - 1 } }),
  }))
  const requests = [...texts.map(execute), ...(closes ? [close] : [])]
  const response = await post(by, { baton, ...(by === 'cursor' ? { batch: { steps } } : { requests }) })
  const [head = '', ...lines] = (await response.text()).split('\n')
  const { outcome, results, baton: next = baton } = read(head)
  if (!response.ok) return { what: outcome === 'rolled_back' ? outcome : 'unknown', baton }
  const ends = by === 'cursor' ? lines.filter((line) => read(line).type === 'step_end') : results
  const isDone =
    by === 'cursor'
      ? ends?.length === texts.length
      : requests.every((_, index) => results?.[index]?.type === 'ok')
  return { what: isDone ? 'done' : 'unknown', baton: next }
}

async function endBefore(baton: string, how: 'evict' | 'kill' | 'drain' | 'alarm'): Promise<void> {
  const session = sessionOf(baton)
  if (how === 'evict') await evictDurableObject(session)
  else if (how === 'kill') await session.kill()
  else if (how === 'drain') await session.drain(Date.now())
  else {
    putClockForward(SESSION_IDLE_MS)
    await runDurableObjectAlarm(session)
  }
}

/** Once the database has given up whatever is left of it. */
async function rowsOf(name: string): Promise<string[]> {
  await clearFaults()
  await failNext({ kind: 'stream_expired', on: 'pipeline' })
  const select = execute(`select title from notes where title like '${name}.%' order by title`)
  const { results } = await answerOf(post('pipeline', { requests: [select, close] }))
  return results[0]!.response!.result!.rows.map(([title]) => title!.value)
}

interface History {
  isTransaction: boolean
  /** What its client has tried to insert, and whether it was told that it is done. */
  inserts: Map<string, Told['what']>
  asksCommit: boolean
  last: Told['what']
}

/** @returns what of that is not so, `null` if all is */
function lieOf({ isTransaction, inserts, asksCommit, last }: History, there: string[]): string | null {
  if (new Set(there).size < there.length) return 'something ran twice'
  const done = [...inserts].flatMap(([title, what]) => (what === 'done' ? [title] : []))
  const missing = done.filter((title) => !there.includes(title))
  if (!isTransaction) {
    const ghosts = there.filter((title) => inserts.get(title) === 'rolled_back')
    return missing.length > 0
      ? 'what was done is missing'
      : ghosts.length > 0
        ? 'what did not run is there'
        : null
  }
  if (asksCommit && last === 'done') return missing.length > 0 ? 'not all of it was committed' : null
  if (!asksCommit || last === 'rolled_back') return there.length > 0 ? 'it was committed all the same' : null
  return [0, done.length].includes(missing.length) ? null : 'a part of it was committed'
}

let counter = 0

test('whatever the client of a session is told is so, and nothing runs twice', async () => {
  const ends = { done: 0, rolled_back: 0, unknown: 0 }
  await fc.assert(
    fc.asyncProperty(histories, async ({ begin, moves, endsWithClose }) => {
      const name = `truth-${(counter += 1)}`
      const isTransaction = begin !== null
      const inserts: History['inserts'] = new Map()
      let latest: Told = { what: 'done', baton: null }
      let asksCommit = false
      for (const [at, { by, before, answer }] of moves.entries()) {
        const isLast = at === moves.length - 1
        if (before !== null && latest.baton !== null) await endBefore(latest.baton, before)
        if (answer !== null) await failNext({ ...answer, on: by, nth: 1 })
        const title = `${name}.${at}`
        const commits = isTransaction && isLast
        const text = commits ? 'commit' : `insert into notes (title) values ('${title}')`
        asksCommit ||= commits
        const texts = [...(isTransaction && at === 0 ? [begin] : []), text]
        latest = await send(by, latest.baton, texts, isLast && endsWithClose && by === 'pipeline')
        await clearFaults()
        if (!commits) inserts.set(title, latest.what)
        if (latest.what !== 'done') break
      }
      // Also what is sent behind an answer that has told nothing is told the truth.
      if (isTransaction && latest.what === 'unknown' && latest.baton !== null) {
        asksCommit = true
        latest = await send('pipeline', latest.baton, ['commit'], true)
      }
      resetClock()
      const there = await rowsOf(name)
      expect(lieOf({ isTransaction, inserts, asksCommit, last: latest.what }, there)).toBeNull()
      ends[latest.what] += 1
    }),
    { numRuns: RUNS },
  )
  // Or it would have shown nothing.
  expect(Object.values(ends).every((times) => times > 0)).toBe(true)
})

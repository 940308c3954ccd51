import { runDurableObjectAlarm } from 'cloudflare:test'
import { afterEach, expect, test } from 'vitest'
import { openStreams } from '../support/turso.ts'
import { call, signUpNow } from './client.ts'
import { putClockForward, resetClock } from './clock.ts'
import { answerOf, close, execute, insert, refusalOf, sessionOf, storedIn } from './gateway-client.ts'

afterEach(resetClock)

/** As many as the local Turso has connections for, with room for other tests. */
const WAVE = 50
const SESSIONS = 1_000

test('of 1,000 sessions, half of them left in mid-transaction, nothing stays at the database', async () => {
  const { database, token } = await signUpNow({ id: 'crowd' })
  const send = (requests: object[], baton: string | null = null): Promise<Response> =>
    call('/t/crowd/v3/pipeline', {
      method: 'POST',
      headers: { authorization: `Bearer ${token.jwt}` },
      body: JSON.stringify({ baton, requests }),
    })
  const streams = async (): Promise<unknown[]> =>
    (await openStreams()).filter((stream) => stream.database === database.name)

  const abandoned: string[] = []
  for (let wave = 0; wave < SESSIONS / WAVE; wave++) {
    const batons = await Promise.all(
      Array.from({ length: WAVE }, async (_, index) => {
        // One of them has the write lock.
        const requests =
          index === 0
            ? [execute('begin immediate'), insert('abandoned')]
            : [execute('begin'), execute('select 1')]
        return (await answerOf(send(requests))).baton!
      }),
    )
    const [left, done] = [batons.slice(0, WAVE / 2), batons.slice(WAVE / 2)]
    await Promise.all(done.map(async (baton) => await answerOf(send([execute('commit'), close], baton))))
    expect(await streams()).toHaveLength(left.length)
    putClockForward(9_000)
    expect(await Promise.all(left.map((baton) => runDurableObjectAlarm(sessionOf(baton))))).not.toContain(
      false,
    )
    await expect.poll(streams).toEqual([])
    abandoned.push(...left)
  }
  expect(abandoned).toHaveLength(SESSIONS / 2)

  // Nobody has the write lock, and nothing of the abandoned was kept.
  await answerOf(send([insert('at once'), close]))
  const { results } = await answerOf(send([execute('select title from notes'), close]))
  expect(results[0]!.response!.result!.rows).toEqual([[{ type: 'text', value: 'at once' }]])
  const expired = { code: 'STREAM_EXPIRED', outcome: 'rolled_back' }
  expect(await refusalOf(send([execute('commit')], abandoned[0]!))).toMatchObject(expired)
  putClockForward(600_000)
  for (const baton of abandoned.slice(-WAVE / 2)) {
    expect(await runDurableObjectAlarm(sessionOf(baton))).toBe(true)
    expect(await storedIn(baton)).toEqual([])
  }
}, 600_000)

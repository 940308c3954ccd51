/** Results larger than memory should have to hold. */
import { describe, expect, test } from 'vitest'
import { connect, type Fetch } from '../../../src/index.ts'
import { BEHAVIOUR_NAMES, startTurso } from '../../support/turso.ts'

const MIB = 2 ** 20

test('no more of an endless answer is asked for than is read', async () => {
  const encoder = new TextEncoder()
  const row = encoder.encode(`{"type":"row","row":[{"type":"text","value":"${'x'.repeat(64 * 1024)}"}]}\n`)
  const head = encoder.encode(
    '{"baton":null,"base_url":null}\n{"type":"step_begin","step":0,"cols":[{"name":"a"}]}\n',
  )
  let rowsSent = 0
  let isHungUp = false
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(head),
      pull(controller) {
        rowsSent += 1
        controller.enqueue(row)
      },
    },
    { highWaterMark: 0 },
  )
  const fetch: Fetch = (_, { signal }) => {
    signal.addEventListener('abort', () => (isHungUp = true))
    return Promise.resolve(new Response(body))
  }
  let rowsRead = 0
  for await (const { a } of connect({ url: 'https://large.example', fetch }).stream('select a')) {
    expect(a).toHaveLength(64 * 1024)
    rowsRead += 1
    expect(rowsSent - rowsRead).toBeLessThan(16)
    if (rowsRead === 800) break
  }
  expect(rowsRead * row.length).toBeGreaterThan(50 * MIB)
  expect(isHungUp).toBe(true)
})

describe.each(BEHAVIOUR_NAMES)('behaviour %s', (behaviour) => {
  test('50 MiB come through a stream, row by row', async () => {
    const turso = await startTurso({ behaviour })
    const { database } = await turso.createDatabase()
    const sql = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
      select i, printf('%.*c', 262144, char(64 + i % 26)) as text from n`
    let bytes = 0
    let rows = 0
    for await (const { i, text } of database.stream(sql)) {
      rows += 1
      expect(i).toBe(rows)
      const content = text as string
      expect(content[0]! + content.at(-1)!).toBe(String.fromCharCode(64 + (rows % 26)).repeat(2))
      bytes += content.length
    }
    expect(bytes).toBe(50 * MIB)
    expect(await turso.openStreams()).toEqual([])
  })

  test('what is too large for one answer is an error, and not a part of it', async () => {
    const turso = await startTurso({ behaviour, maxResponseBytes: 100_000 })
    const { database } = await turso.createDatabase()
    const sql =
      "select printf('%.1000c', 'x') as text, value from json_each('[1' || replace(printf('%.500c', 'x'), 'x', ',1') || ']')"
    await expect(database.execute(sql)).rejects.toMatchObject({ code: 'sql_error' })
    await expect(database.batch(['select 1', sql])).rejects.toMatchObject({
      code: 'sql_error',
    })
    let rows = 0
    for await (const row of database.stream(sql)) rows += Number(row['value'])
    expect(rows).toBe(501)
  })
})

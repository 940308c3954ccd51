/** Reads an answer of 50 MiB by one call, and prints what that took: run by large-answer.test.ts in a small heap. */
import { connect } from '../../src/index.ts'

const ROWS = 50_000
const value = 'x'.repeat(1_000)
const row = `[{"type":"integer","value":"7"},{"type":"text","value":"${value}"}]`
const head = '{"baton":null,"base_url":null,"results":[{"type":"ok","response":{"type":"execute","result":{'
const cols = '"cols":[{"name":"id","decltype":null},{"name":"title","decltype":null}],"rows":['
const tail =
  '],"affected_row_count":0,"last_insert_rowid":null}}},{"type":"ok","response":{"type":"close"}}]}'

/** In pieces, as from a socket, so that what is measured is the client's. */
function answer(): Response {
  const encoder = new TextEncoder()
  let sent = 0
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(head + cols)),
    pull(controller) {
      controller.enqueue(encoder.encode((sent === 0 ? '' : ',') + row))
      if ((sent += 1) < ROWS) return
      controller.enqueue(encoder.encode(tail))
      controller.close()
    },
  })
  return new Response(body)
}

const db = connect({ url: 'https://db.example', fetch: () => Promise.resolve(answer()) })
const { rows } = await db.execute('select id, title from notes')
const isRight = rows.length === ROWS && rows.every(({ id, title }) => id === 7 && title === value)
console.log(JSON.stringify({ isRight, peakMiB: Math.round(process.resourceUsage().maxRSS / 1024) }))

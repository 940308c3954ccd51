/** The operations of the differential test over a WebSocket, written down as JSON by hand. */
import type { Operation, Step } from '../local/differential/operations.ts'
import type { Outcome } from '../local/differential/outcomes.ts'
import { fromEntries, fromResult, toBatch, toRequest } from '../local/differential/remote.ts'

type Json = any // oxlint-disable-line typescript/no-explicit-any -- what a server sends

export interface SocketRemote {
  /** Sends all of them at once, and resolves with their outcomes. */
  run(operations: Operation[]): Promise<Outcome[]>
  close: () => void
}

const STREAM_ID = -7
const CURSOR_ID = 2 ** 31 - 1
/** Small, so that cursors take several messages. */
const ENTRIES = 3
const STORED_TEXTS = 20

export interface HranaSocket {
  /** Sends a request and resolves with the message that answers it. */
  ask: (request: object) => Promise<Json>
  /** Likewise with the response; throws when there is none. */
  insist: (request: object) => Promise<Json>
  close: () => void
}

/** Speaks hrana3, and is greeted with the token. */
export async function openSocket(url: string, jwt: string): Promise<HranaSocket> {
  const socket = new WebSocket(url, ['hrana3'])
  const asked = new Map<number, { resolve: (answer: Json) => void; reject: (error: Error) => void }>()
  let requestId = 0

  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data as string) as Json
    asked.get(message.request_id)?.resolve(message)
    asked.delete(message.request_id)
  })
  socket.addEventListener('close', ({ code, reason }) => {
    for (const { reject } of asked.values()) reject(new Error(`closed with ${code}: ${reason}`))
  })
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  socket.send(JSON.stringify({ type: 'hello', jwt }))

  function ask(request: object): Promise<Json> {
    const id = requestId++
    socket.send(JSON.stringify({ type: 'request', request_id: id, request }))
    return new Promise((resolve, reject) => asked.set(id, { resolve, reject }))
  }

  return {
    ask,
    async insist(request) {
      const answer = await ask(request)
      if (answer.type !== 'response_ok') throw new Error(JSON.stringify(answer))
      return answer.response
    },
    close: () => socket.close(),
  }
}

/** Stores every text that it repeats, as `@libsql/client` does, and forgets the oldest. */
export async function connectSocket(url: string, jwt: string): Promise<SocketRemote> {
  const { ask, insist, close } = await openSocket(url, jwt)
  const seen = new Set<string>()
  const stored = new Map<string, number>()
  let isStreamOpen = false
  let sqlId = 0

  /** The id of a text that was seen before; the text itself the first time. */
  function store(sql: string, waiting: Promise<unknown>[]): { sql: string } | { sql_id: number } {
    if (!seen.has(sql)) {
      seen.add(sql)
      return { sql }
    }
    const known = stored.get(sql)
    if (known !== undefined) return { sql_id: known }
    const [oldest] = stored
    if (stored.size >= STORED_TEXTS && oldest !== undefined) {
      stored.delete(oldest[0])
      waiting.push(insist({ type: 'close_sql', sql_id: oldest[1] }))
    }
    sqlId -= 1
    stored.set(sql, sqlId)
    waiting.push(insist({ type: 'store_sql', sql_id: sqlId, sql }))
    return { sql_id: sqlId }
  }

  function withStored(request: Json, waiting: Promise<unknown>[]): object {
    const replace = (holder: Json): Json => {
      const { sql, ...rest } = holder
      return { ...rest, ...store(sql, waiting) }
    }
    if (request.stmt) return { ...request, stmt: replace(request.stmt) }
    return 'sql' in request ? replace(request) : request
  }

  async function cursor(steps: Step[]): Promise<Outcome> {
    const opened = insist({
      type: 'open_cursor',
      stream_id: STREAM_ID,
      cursor_id: CURSOR_ID,
      batch: toBatch(steps),
    })
    const entries: Json[] = []
    for (let isDone = false; !isDone;) {
      const next = await insist({ type: 'fetch_cursor', cursor_id: CURSOR_ID, max_count: ENTRIES })
      if (next.entries.length > ENTRIES) throw new Error('more entries than were asked for')
      entries.push(...next.entries)
      isDone = next.done
    }
    await opened
    await insist({ type: 'close_cursor', cursor_id: CURSOR_ID })
    return { batch: fromEntries(entries, steps.length) }
  }

  return {
    async run(operations) {
      const waiting: Promise<unknown>[] = []
      if (!isStreamOpen) waiting.push(insist({ type: 'open_stream', stream_id: STREAM_ID }))
      isStreamOpen = true
      const outcomes: Promise<Outcome>[] = []
      for (const operation of operations) {
        if (operation.type === 'cursor') outcomes.push(cursor(operation.steps))
        else if (operation.type === 'close') {
          isStreamOpen = false
          outcomes.push(insist({ type: 'close_stream', stream_id: STREAM_ID }).then(() => 'done'))
        } else {
          const request = withStored(toRequest(operation), waiting)
          const answer = ask({ ...request, stream_id: STREAM_ID })
          outcomes.push(answer.then(({ response, error }) => fromResult(toResult(response, error))))
        }
      }
      await Promise.all(waiting)
      return await Promise.all(outcomes)
    },
    close,
  }
}

const toResult = (response: Json, error: Json): Json =>
  error ? { type: 'error', error } : { type: 'ok', response }

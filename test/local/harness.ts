/** A local Turso with one group, and short ways to talk to it. Closed at the end of the test. */
import { onTestFinished } from 'vitest'
import { createLocalTurso, type LocalTursoOptions } from '../../local/index.ts'
import type { WireStreamRequest, WireStreamResult } from '../../src/hrana/wire.ts'

export interface Answer {
  status: number
  text: string
  body: any // oxlint-disable-line typescript/no-explicit-any -- tests look into it freely
  headers: Headers
}

export interface TestDatabase {
  name: string
  jwt: string
  url: string
  /** Sends one pipeline. */
  send(
    body: unknown,
    options?: { version?: 2 | 3; jwt?: string | null; signal?: AbortSignal },
  ): Promise<Answer>
  /** Sends requests, and `close` unless a baton is asked for. Expects HTTP 200. */
  run(
    requests: WireStreamRequest[],
    options?: { baton?: string | null; keep?: boolean },
  ): Promise<PipelineAnswer>
  /** Runs one statement per text on a stream that is closed again. */
  execute(...sql: string[]): Promise<WireStreamResult[]>
}

export interface PipelineAnswer {
  baton: string | null
  results: WireStreamResult[]
}

/** A clock that only moves when told to. */
export function createClock(startMs = 1_800_000_000_000) {
  let ms = startMs
  return { now: () => ms, advance: (byMs: number) => void (ms += byMs) }
}

export async function start(options: LocalTursoOptions = {}) {
  const turso = createLocalTurso(options)
  onTestFinished(turso.close)

  /** A call of the Platform API by its whole path: `/v2/organizations`. */
  const call = async (method: string, path: string, body?: unknown, token = 'local-platform-token') => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return toAnswer(
      await turso.fetch(
        new Request(`https://api.turso.tech${path}`, {
          method,
          headers: { authorization: `Bearer ${token}` },
          ...(text !== undefined && { body: text }),
        }),
      ),
    )
  }

  /** The same below the organization `local`, or with a leading slash below all of them. */
  const api = (method: string, path: string, body?: unknown, token?: string) =>
    call(method, `/v1/organizations/${path.startsWith('/') ? path.slice(1) : `local/${path}`}`, body, token)

  /** An existing database with a fresh token. */
  const use = async (name: string, query = ''): Promise<TestDatabase> => {
    const { body } = await api('GET', `databases/${name}`)
    const token = await api('POST', `databases/${name}/auth/tokens${query}`)
    const jwt: string = token.body.jwt
    const url = `https://${body.database.Hostname}`
    const send: TestDatabase['send'] = async (content, { version = 3, jwt: other = jwt, signal } = {}) =>
      toAnswer(
        await turso.fetch(
          new Request(`${url}/v${version}/pipeline`, {
            method: 'POST',
            headers: other === null ? {} : { authorization: `Bearer ${other}` },
            body: typeof content === 'string' ? content : JSON.stringify(content),
            ...(signal && { signal }),
          }),
        ),
      )
    const run: TestDatabase['run'] = async (requests, { baton, keep } = {}) => {
      const all = keep ? requests : [...requests, { type: 'close' }]
      const answer = await send({ ...(baton && { baton }), requests: all })
      if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`)
      return answer.body as PipelineAnswer
    }
    return {
      name,
      jwt,
      url,
      send,
      run,
      execute: async (...sql) => (await run(sql.map(statement))).results.slice(0, -1),
    }
  }

  const create = async (name: string): Promise<TestDatabase> => {
    await api('POST', 'groups', { name: 'default', location: 'aws-eu-west-1' })
    const { status, text } = await api('POST', 'databases', { name, group: 'default' })
    if (status !== 200) throw new Error(text)
    return use(name)
  }

  return { turso, api, call, use, create }
}

export async function toAnswer(response: Response): Promise<Answer> {
  const text = await response.text()
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    body = undefined
  }
  return { status: response.status, text, body, headers: response.headers }
}

export function statement(sql: string): WireStreamRequest {
  return { type: 'execute', stmt: { sql } }
}

/** The rows of a result, or an error that says why there are none. */
export function rowsOf(result: WireStreamResult | undefined) {
  if (result?.type !== 'ok' || result.response.type !== 'execute') throw new Error(JSON.stringify(result))
  return result.response.result.rows
}

/** The in-band error of a result. */
export function errorOf(result: WireStreamResult | undefined) {
  if (result?.type !== 'error') throw new Error(`not an error: ${JSON.stringify(result)}`)
  return result.error
}

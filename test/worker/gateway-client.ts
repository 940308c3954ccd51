/** What the gateway's tests send, and how they look into its sessions, as no client can. */
import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import type { Session } from '../../worker/index.ts'
import { putClockForward } from './clock.ts'

export const close = { type: 'close' }
export const execute = (sql: string): object => ({ type: 'execute', stmt: { sql } })
export const insert = (title: string): object => execute(`insert into notes (title) values ('${title}')`)

export interface PipelineAnswer {
  baton: string | null
  base_url: string | null
  results: {
    type: string
    response?: { result?: { rows: { value: string }[][] } }
    error?: { message: string }
  }[]
}

export async function answerOf(response: Promise<Response>): Promise<PipelineAnswer> {
  const settled = await response
  if (settled.status !== 200) throw new Error(`${settled.status}: ${await settled.text()}`)
  return await settled.json()
}

/** Status and Hrana error, as a client reads it. */
export async function refusalOf(response: Promise<Response>): Promise<Record<string, unknown>> {
  const settled = await response
  const type = settled.headers.get('content-type')
  if (type !== 'application/json') throw new Error(`${settled.status} is ${type}`)
  return { status: settled.status, ...((await settled.json()) as object) }
}

export function sessionOf(baton: string): DurableObjectStub<Session> {
  const bytes = Uint8Array.from(atob(baton.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
  const hex = Array.from(bytes.subarray(0, 32), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return env.SESSIONS.get(env.SESSIONS.idFromString(hex))
}

/** The session's alarm, when so much time has passed. */
export async function alarmAfter(ms: number, baton: string): Promise<void> {
  putClockForward(ms)
  if (!(await runDurableObjectAlarm(sessionOf(baton)))) throw new Error('no alarm was set')
}

export const storedIn = (baton: string): Promise<unknown[]> =>
  runInDurableObject(sessionOf(baton), (_, { storage }) => [...storage.kv.list()])

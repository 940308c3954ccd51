/** Fixtures that run in Node and in workerd alike: there, the global fetch reaches the local Turso. */
import type { Fault } from '../../local/faults/script.ts'
import { connect, createPlatform, type Database, type Platform } from '../../src/index.ts'

export const PLATFORM_TOKEN = 'local-platform-token'

export function localPlatform(): Platform {
  return createPlatform({ token: PLATFORM_TOKEN, organization: 'local' })
}

let counter = 0

/** A name that no other test has; the local Turso is shared by the files of a project. */
export function uniqueName(prefix: string): string {
  counter += 1
  return `${prefix}-${crypto.randomUUID().slice(0, 8)}-${counter}`
}

export interface TestDatabase {
  name: string
  hostname: string
  token: string
  database: Database
}

/** A fresh database, and a client for it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const turso = localPlatform()
  const { name, hostname } = await turso.databases.create(uniqueName('test'), { location: 'aws-eu-west-1' })
  const token = await turso.databases.createToken(name)
  return { name, hostname, token, database: connect({ url: `libsql://${hostname}`, authToken: token }) }
}

/** Makes the local Turso fail as the fault says, the next time that a request matches it, or from there on `times`. */
export async function failNext(fault: Fault): Promise<void> {
  await fetch('https://control.test/fail', { method: 'POST', body: JSON.stringify({ nth: 1, ...fault }) })
}

/** Forgets all faults and the log of requests. */
export async function clearFaults(): Promise<void> {
  await fetch('https://control.test/clear')
}

/** `METHOD host/path` of every request that reached Turso since the last call. */
export async function requestsSeen(): Promise<string[]> {
  return await (await fetch('https://control.test/requests')).json()
}

export async function openStreams(): Promise<{ database: string; inTransaction: boolean }[]> {
  return await (await fetch('https://control.test/streams')).json()
}

/** The examples of docs/signing.md run, one after the other: a key, its key set, a token, a query. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLocalTurso, type LocalTurso } from '../../local/index.ts'
import * as library from '../../src/index.ts'

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>

const text = await readFile(path.join(import.meta.dirname, '../../docs/signing.md'), 'utf8')
const [signAndQuery, makeKey, serveKeySet, saveAddress, saveOffline, ...others] = [
  ...text.matchAll(/^```ts\n([^]*?)^```$/gm),
].map((match) => match[1]!)

let local: LocalTurso
let turso: library.Platform
let url: string
let id: string
const fetch: library.Fetch = (address, init) => local.fetch(new Request(address, init))

beforeAll(async () => {
  local = createLocalTurso({
    fetchKeySet: () => Promise.reject(new Error('no network')),
  })
  turso = library.createPlatform({ token: 'local-platform-token', organization: 'local', fetch })
  const created = await turso.databases.create('signed', { location: 'aws-eu-west-1' })
  url = `libsql://${created.hostname}`
  id = created.id
})
afterAll(() => local.close())

/** Runs a block as it stands, and returns what it has declared. */
async function run(block: string | undefined, names: Record<string, unknown>, result = ''): Promise<unknown> {
  const connect = (options: library.ConnectOptions): library.Database =>
    library.connect({ ...options, fetch })
  const scope = { ...library, connect, ...names }
  const body = block!.replaceAll(/^import .*$/gm, '')
  return await new AsyncFunction(...Object.keys(scope), `${body}\n${result}`)(...Object.values(scope))
}

test('a key is made, served, registered, signs, and opens the database for reading', async () => {
  expect(others).toEqual([])
  const printed: string[] = []
  await run(makeKey, { console: { log: (line: string) => printed.push(line) } })
  const signer = library.createSigner({ keys: [await library.importSigningKey(printed[0]!)] })

  const request = new Request('https://worker.example/.well-known/jwks.json')
  const response = (await run(serveKeySet, { signer, request, Response })) as Response
  expect(await response.json()).toEqual(signer.jwks())

  await run(saveAddress, { turso })
  expect(await turso.jwks.list()).toMatchObject([{ url: 'https://worker.example/.well-known/jwks.json' }])
  await run(saveOffline, { signer, turso })

  const env = { SIGNING_KEY: printed[0] }
  const db = (await run(signAndQuery, { env, id, url }, 'return db')) as library.Database
  expect((await db.execute('select 1 as one')).rows).toEqual([{ one: 1 }])
  await expect(db.execute('create table t (id)')).rejects.toMatchObject({ code: 'forbidden' })
})

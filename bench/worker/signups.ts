/** Signups through the Worker, beside the same three calls to Turso by hand; lists and searches. */
import { load, send, type Load } from './load.ts'
import { API_KEY, PLATFORM_TOKEN, type Stack } from '../../test/support/stack/stack.ts'

let counter = 0

export async function signUp({
  url,
}: Stack): Promise<{ name: string; http_url: string; gateway_url: string; jwt: string }> {
  const body = JSON.stringify({ id: `bench-${counter++}` })
  const { database, token } = (await send('POST', `${url}/v1/tenants`, API_KEY, body)) as {
    database: { name: string; http_url: string; gateway_url: string }
    token: { jwt: string }
  }
  return { ...database, jwt: token.jwt }
}

/** @param schema the pipeline that a signup applies it with */
async function bare({ tursoUrl }: Stack, schema: string): Promise<void> {
  const name = `bare-${counter++}`
  const databases = `${tursoUrl}/v1/organizations/local/databases`
  await send('POST', databases, PLATFORM_TOKEN, JSON.stringify({ name, group: 'default' }))
  const { jwt } = (await send('POST', `${databases}/${name}/auth/tokens?expiration=1d`, PLATFORM_TOKEN)) as {
    jwt: string
  }
  await send('POST', `${tursoUrl}/db/${name}/v3/pipeline`, jwt, schema)
}

export interface SignupRow {
  tenants: number
  concurrency: number
  worker: Load
  bare: Load
}

export async function measureSignups(stack: Stack, tenants: number, perLevel: number): Promise<SignupRow[]> {
  await signUp(stack)
  const schema = stack.lastPipeline()
  const rows: SignupRow[] = []
  for (const concurrency of [1, 10, 100]) {
    // Each a little first, and half of it before and half after the other: the local Turso slows down as it fills.
    await load(concurrency, concurrency, () => bare(stack, schema))
    await load(concurrency, concurrency, () => signUp(stack))
    const worker = await load(perLevel, concurrency, () => signUp(stack))
    rows.push({
      tenants,
      concurrency,
      worker,
      bare: await load(perLevel, concurrency, () => bare(stack, schema)),
    })
  }
  return rows
}

export interface DirectoryRow {
  tenants: number
  what: string
  load: Load
}

export async function measureDirectory(
  { url }: Stack,
  tenants: number,
  count: number,
): Promise<DirectoryRow[]> {
  const rows: DirectoryRow[] = []
  for (const [what, path] of [
    ['first page of 100', '/v1/tenants?limit=100'],
    ['search, one match', '/v1/tenants?q=customer-054321'],
    ['search, many matches', '/v1/tenants?q=customer'],
    ['counts', '/v1/stats'],
  ] as const) {
    const act = (): Promise<unknown> => send('GET', url + path, API_KEY)
    await load(5, 1, act)
    rows.push({ tenants, what, load: await load(count, 1, act) })
  }
  return rows
}

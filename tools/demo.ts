// `npm run demo`: a new tenant's first minutes, against the stack that `npm start` runs.

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createClient } from '@libsql/client'
import * as z from 'zod/mini'
import { connect, isTursoError } from '../src/index.ts'
import { DEVELOPMENT_KEY } from './development/parts.ts'

const SignedUp = z.object({
  tenant: z.object({ id: z.string(), status: z.string() }),
  database: z.object({ name: z.string(), http_url: z.string(), gateway_url: z.string() }),
  token: z.object({ jwt: z.string(), authorization: z.string() }),
})
type SignedUp = z.infer<typeof SignedUp>

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:8787' },
      key: { type: 'string', default: DEVELOPMENT_KEY },
    },
  })
  const signedUp = await signUp(values.url, values.key)
  await queryDirectly(signedUp)
  await transactThroughGateway(signedUp)
}

async function signUp(url: string, key: string): Promise<SignedUp> {
  const id = `demo-${randomBytes(4).toString('hex')}`
  console.log(`Signing up tenant ${id} at ${url}`)
  const startedAt = performance.now()
  const response = await fetch(new URL('/v1/tenants', url), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'idempotency-key': `signup-${id}`,
    },
    body: JSON.stringify({ id }),
    signal: AbortSignal.timeout(30_000),
  }).catch(() => {
    throw new Error(`Nothing answers at ${url}: is \`npm start\` running?`)
  })
  const durationMs = performance.now() - startedAt
  const body = await response.text()
  if (response.status !== 201)
    throw new Error(`The sign-up was answered with ${response.status}: ${body.slice(0, 500)}`)
  const signedUp = SignedUp.parse(JSON.parse(body))
  console.log(`  ${response.status} in ${durationMs.toFixed(0)} ms: ${signedUp.tenant.status}`)
  console.log(`  database ${signedUp.database.name}, token ${signedUp.token.authorization}`)
  return signedUp
}

async function queryDirectly({ database, token }: SignedUp): Promise<void> {
  console.log(`\nQueries with turso-edge, straight to ${database.http_url}`)
  const db = connect({ url: database.http_url, authToken: token.jwt })
  const insert = 'insert into notes (title, body) values (?, ?)'
  await db.execute(insert, ['Hello', 'from the demo'])
  await db.batch([
    { sql: insert, args: ['Two', 'statements'] },
    { sql: insert, args: ['One', 'request'] },
  ])
  const { rows } = await db.execute<{ id: number; title: string; body: string }>(
    'select id, title, body from notes',
  )
  for (const { id, title, body } of rows) console.log(`  ${id}  ${title}: ${body}`)
  const refused = await db.execute(insert, [' ', '']).then(
    () => 'nothing',
    (error: unknown) => (isTursoError(error) ? `${error.code}: ${error.message}` : String(error)),
  )
  console.log(`  a note without a title is refused: ${refused}`)
}

async function transactThroughGateway({ database, token }: SignedUp): Promise<void> {
  console.log(`\nInteractive transactions with @libsql/client, through ${database.gateway_url}`)
  const client = createClient({ url: database.gateway_url, authToken: token.jwt })
  const count = async () =>
    Number((await client.execute('select count(*) as count from notes')).rows[0]?.['count'])
  try {
    for (const ending of ['commit', 'rollback'] as const) {
      const before = await count()
      const transaction = await client.transaction('write')
      await transaction.execute("insert into notes (title) values ('In a transaction')")
      const inside = Number((await transaction.execute('select count(*) from notes')).rows[0]?.[0])
      await transaction[ending]()
      console.log(`  ${ending.padEnd(8)}  ${before} notes before, ${inside} inside, ${await count()} after`)
    }
  } finally {
    client.close()
  }
}

try {
  await main()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}

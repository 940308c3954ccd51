/**
 * What transactions begin with, by clients as they are published and over real sockets, as it goes to the database: their
 * sessions may ask for a place meanwhile only as long as it can be taken back.
 */
import { createClient } from '@libsql/client'
import { connect as connectServerless } from '@tursodatabase/serverless'
import { createClient as createCompatible } from '@tursodatabase/serverless/compat'
import { drizzle } from 'drizzle-orm/libsql'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createClient as createDropIn } from '../../src/libsql/index.ts'
import { connect } from '../../src/index.ts'
import { isUndoable } from '../../worker/session/undoable.ts'
import { signUp, startStack, type RunningStack } from './worker-and-turso.ts'

let stack: RunningStack
/** The bodies of pipelines and cursors that opened a stream, and begin a transaction. */
let beginnings: { path: string; requests: string }[] = []

beforeAll(async () => {
  stack = await startStack({
    seen: async (request) => {
      const { pathname: path } = new URL(request.url)
      if (!/\/(?:pipeline|cursor)$/.test(path)) return
      const { baton, requests, batch } = (await request.json()) as {
        baton: string | null
        requests?: unknown
        batch?: unknown
      }
      const text = JSON.stringify(requests ?? batch)
      if (baton === null && /begin/i.test(text)) beginnings.push({ path, requests: text })
    },
  })
})
afterAll(() => stack.close())

const INSERT = { sql: 'insert into notes (title) values (?)', args: ['x'] }
const READ = { sql: 'select title from notes where id = ?', args: [1] }
const MODES = ['write', 'deferred', 'read'] as const

interface Access {
  url: string
  authToken: string
}

/** Some add a path to a URL as it is, others to its folder. */
const withoutSlash = (url: string): string => url.replace(/\/$/, '')

interface AnyTransaction {
  execute: (statement: { sql: string; args: (string | number)[] }) => Promise<unknown>
  batch: (statements: { sql: string; args: (string | number)[] }[]) => Promise<unknown>
  commit: () => Promise<unknown>
}

/** As many ways as there are to begin one. */
async function beginAll(begin: (mode: (typeof MODES)[number]) => Promise<AnyTransaction>): Promise<number> {
  for (const mode of MODES) {
    const one = await begin(mode)
    await one.execute(mode === 'read' ? READ : INSERT)
    await one.commit()
    const other = await begin(mode)
    await other.batch([READ, READ])
    await other.commit()
  }
  return MODES.length * 2
}

const clients: Record<string, (access: Access) => Promise<number>> = {
  async 'the library'({ url, authToken }) {
    const database = connect({ url, authToken })
    const count = await beginAll((mode) => database.transaction({ mode }))
    const nested = await database.transaction()
    const inner = await nested.transaction()
    await inner.execute('insert into notes (title) values (?) returning id', ['pragma'])
    await inner.commit()
    await nested.commit()
    return count + 1
  },
  async 'the drop-in'(access) {
    const client = createDropIn(access)
    onTestFinished(() => client.close())
    return await beginAll((mode) => client.transaction(mode))
  },
  async '@libsql/client over http'({ url, authToken }) {
    const client = createClient({ url, authToken })
    onTestFinished(() => client.close())
    expect(client.protocol).toBe('http')
    return await beginAll((mode) => client.transaction(mode))
  },
  async '@libsql/client over ws'({ url, authToken }) {
    const client = createClient({ url: url.replace(/^http/, 'ws'), authToken })
    onTestFinished(() => client.close())
    expect(client.protocol).toBe('ws')
    return await beginAll((mode) => client.transaction(mode))
  },
  async drizzle({ url, authToken }) {
    const client = createClient({ url, authToken })
    onTestFinished(() => client.close())
    await drizzle(client).transaction(async (tx) => {
      await tx.run(sql`insert into notes (title) values (${'begin'})`)
      await tx.transaction(async (inner) => void (await inner.run(sql`select 1`)))
    })
    return 1
  },
  async '@tursodatabase/serverless'({ url, authToken }) {
    const connection = connectServerless({ url: withoutSlash(url), authToken })
    onTestFinished(() => connection.close())
    await connection.transaction(
      async () => await connection.run('insert into notes (title) values (?)', ['x']),
    )()
    return 1
  },
  async '@tursodatabase/serverless/compat'({ url, authToken }) {
    for (const mode of MODES) {
      const client = createCompatible({ url: withoutSlash(url), authToken })
      const transaction = await client.transaction(mode)
      await transaction.execute('select 1')
      await transaction.rollback()
      client.close()
    }
    return MODES.length
  },
}

test.each(Object.entries(clients))('%s begins with what can be taken back', async (name, run) => {
  const { database, token } = await signUp(stack, `begins-${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`)
  beginnings = []
  const count = await run({ url: database.gateway_url, authToken: token.jwt })
  expect(beginnings).toHaveLength(count)
  // A cursor's answer would be on its way before it is known whether there is a place.
  expect(beginnings.filter(({ path }) => path.endsWith('/cursor'))).toEqual([])
  expect(beginnings.filter(({ requests }) => !isUndoable(requests))).toEqual([])
})

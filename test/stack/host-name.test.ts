/** The gateway by host name, for clients as they are published: whatever they make of the path of a URL, none has one here. */
import dns from 'node:dns'
import { createClient } from '@libsql/client'
import { connect } from '@tursodatabase/serverless'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { signUp, startStack, type RunningStack, type Signup } from './worker-and-turso.ts'

const DOMAIN = 'db.example.com'

let stack: RunningStack

beforeAll(async () => {
  stack = await startStack({ bindings: { GATEWAY_DOMAIN: DOMAIN } })
  const lookup = dns.lookup
  // What DNS would do: all hosts of the domain are the Worker's.
  vi.spyOn(dns, 'lookup').mockImplementation(((hostname: string, ...rest: [never, never]) => {
    lookup(hostname.endsWith(`.${DOMAIN}`) ? '127.0.0.1' : hostname, ...rest)
  }) as never)
})
afterAll(async () => {
  vi.restoreAllMocks()
  await stack.close()
})

async function signUpByHost(id: string): Promise<Signup & { host: string }> {
  return { ...(await signUp(stack, id)), host: `${id}.${DOMAIN}:${new URL(stack.url).port}` }
}

test.each(['http', 'ws'] as const)(
  '@libsql/client commits and rolls back at the host of a tenant, over %s',
  async (protocol) => {
    const { host, token } = await signUpByHost(`host-${protocol}`)
    const client = createClient({ url: `${protocol}://${host}`, authToken: token.jwt })
    onTestFinished(() => client.close())
    const kept = await client.transaction('write')
    await kept.execute("insert into notes (title) values ('kept')")
    await kept.commit()
    const dropped = await client.transaction('write')
    await dropped.execute("insert into notes (title) values ('dropped')")
    await dropped.rollback()
    expect((await client.execute('select title from notes')).rows).toMatchObject([{ title: 'kept' }])
    const stranger = createClient({
      url: `${protocol}://${host}`,
      authToken: (await signUp(stack, `host-${protocol}-stranger`)).token.jwt,
    })
    onTestFinished(() => stranger.close())
    await expect(stranger.execute('select title from notes')).rejects.toThrow(/40[14]|doesn't exist/)
  },
)

test('@tursodatabase/serverless runs a transaction at the host of a tenant', async () => {
  const { host, token } = await signUpByHost('host-serverless')
  const connection = connect({ url: `http://${host}`, authToken: token.jwt })
  onTestFinished(() => connection.close())
  const insert = connection.transactionAsync(async (tx) => {
    await tx.run("insert into notes (title) values ('kept')")
    return await tx.get('select count(*) as n from notes')
  })
  expect(await insert.immediate()).toMatchObject({ n: 1 })
})

/**
 * A sign-up page's backend. POST /signup?id=acme makes the customer's database and hands out a token for it;
 * POST /notes?id=acme&title=… writes to it from here, by a session. Whoever sends an id gets that customer's token, so take it
 * from your own login, not from the request as here.
 */
import type { TenantsError, TenantsService } from 'turso-edge'

interface Env {
  TENANTS: TenantsService
}

/** A free customer has no more. */
const MAX_NOTES = 3

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const id = searchParams.get('id') ?? ''
    try {
      if (request.method === 'POST' && pathname === '/signup') return await signUp(env, id)
      if (request.method === 'POST' && pathname === '/notes')
        return await addNote(env, id, searchParams.get('title'))
      return new Response(null, { status: 404 })
    } catch (error) {
      const { code, message, errors } = error as TenantsError
      return Response.json({ code, message, errors }, { status: code === 'invalid_request' ? 400 : 500 })
    }
  },
} satisfies ExportedHandler<Env>

async function signUp(env: Env, id: string): Promise<Response> {
  // The id as key: however often the button is pressed, it is one database.
  const { database, token } = await env.TENANTS.signup({ id }, { idempotencyKey: id })
  if (token === null) return Response.json({ status: 'come back' }, { status: 202 })
  return Response.json({ url: database?.httpUrl, token: token.jwt }, { status: 201 })
}

async function addNote(env: Env, id: string, title: string | null): Promise<Response> {
  using session = await env.TENANTS.session(id, { timeoutMs: 5_000 })
  // Nobody else writes between the two statements. Left without a commit, also by an error, it is rolled back.
  using transaction = await session.transaction()
  const { rows } = await transaction.execute<{ count: number }>('select count(*) as count from notes')
  if (rows[0]!.count >= MAX_NOTES) return Response.json({ code: 'too_many_notes' }, { status: 409 })
  await transaction.execute('insert into notes (title) values (?)', [title])
  await transaction.commit()
  return Response.json({ count: rows[0]!.count + 1 }, { status: 201 })
}

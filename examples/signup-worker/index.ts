/**
 * A sign-up page's backend: POST /signup?id=acme makes the customer's database and hands out a token for it. Whoever sends an id
 * gets that customer's token, so take it from your own login, not from the request as here.
 */
import type { TenantsError, TenantsService } from 'turso-edge'

interface Env {
  TENANTS: TenantsService
}

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (request.method !== 'POST' || pathname !== '/signup') return new Response(null, { status: 404 })
    const id = searchParams.get('id') ?? ''
    try {
      // The id as key: however often the button is pressed, it is one database.
      const { database, token } = await env.TENANTS.signup({ id }, { idempotencyKey: id })
      if (token === null) return Response.json({ status: 'come back' }, { status: 202 })
      return Response.json({ url: database?.httpUrl, token: token.jwt }, { status: 201 })
    } catch (error) {
      const { code, message, errors } = error as TenantsError
      return Response.json({ code, message, errors }, { status: code === 'invalid_request' ? 400 : 500 })
    }
  },
} satisfies ExportedHandler<Env>

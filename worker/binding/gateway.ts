/** The gateway as a session of the binding speaks to it: by the same routes, in the same isolate, with no network in between. */
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import type { Fetch } from '../../src/index.ts'
import type { AppEnvironment } from '../environment.ts'
import { onError } from '../middleware/problems.ts'
import { gateway } from '../routes/gateway.ts'

const app = new Hono<AppEnvironment>()
  .use(requestId({ limitLength: 128 }))
  .use(async function asBinding(c, next) {
    c.set('sessionKind', 'binding')
    await next()
  })
  .route('/', gateway)
  .onError(onError)

/** Where the gateway has the tenant's database. The host is only for those who read it in an error: nothing is routed by it. */
export const gatewayUrl = (tenantId: string): string => `https://gateway/t/${encodeURIComponent(tenantId)}/`

/** @param requestId by which the gateway's log names what is sent */
export function createGatewayFetch(env: Env, ctx: ExecutionContext, requestId: string): Fetch {
  return async (url, { headers, ...init }) =>
    await app.fetch(
      new Request(url, { ...init, headers: { ...headers, 'x-request-id': requestId } }),
      env,
      ctx,
    )
}

/** Middleware and routes, in the order in which a request meets them. */
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { readConfiguration } from './configuration.ts'
import type { AppEnvironment } from './environment.ts'
import { routedPath } from './gateway/domain.ts'
import { countRequests } from './middleware/count-requests.ts'
import { onError, onNotFound } from './middleware/problems.ts'
import { directory } from './routes/directory.ts'
import { documentation } from './routes/documentation.ts'
import { gateway } from './routes/gateway.ts'
import { meta } from './routes/meta.ts'
import { metrics } from './routes/metrics.ts'
import { sessions } from './routes/sessions.ts'
import { sockets } from './routes/sockets.ts'
import { tenants } from './routes/tenants.ts'

export const app = new Hono<AppEnvironment>({ getPath })
  .use(requestId({ limitLength: 128 }))
  .use(async function completeHeaders(c, next) {
    await next()
    // At the end, since responses that were not made by the context, such as errors, carry none of its headers.
    c.header('x-request-id', c.get('requestId'))
    const policy = c.get('rateLimitPolicy')
    if (policy) c.header('ratelimit-policy', policy)
  })
  .use(countRequests)
  .route('/', meta)
  .route('/', directory)
  .route('/', documentation)
  .route('/', metrics)
  .route('/', tenants)
  .route('/', sessions)
  .route('/', gateway)
  .route('/', sockets)
  .notFound(onNotFound)
  .onError(onError)

/** A Worker that is misconfigured says so at what is asked for, by path. */
function getPath(request: Request, options?: { env?: Env }): string {
  const url = new URL(request.url)
  try {
    return routedPath(url, options?.env ? readConfiguration(options.env).gatewayDomain : null)
  } catch {
    return url.pathname
  }
}

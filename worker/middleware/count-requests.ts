/** One data point for each request, for those who have bound a dataset of Workers Analytics Engine as `REQUESTS`. */
import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { AppEnvironment } from '../environment.ts'

export const countRequests = createMiddleware<AppEnvironment>(async function countRequests(c, next) {
  const { REQUESTS: dataset } = c.env as Env & { REQUESTS?: AnalyticsEngineDataset }
  if (dataset === undefined) return await next()
  const startedAt = Date.now()
  await next()
  const route = routePath(c, -1)
  dataset.writeDataPoint({
    // Sampled by route, so that a rare one is not lost behind a frequent one.
    indexes: [`${c.req.method} ${route}`.slice(0, 96)],
    blobs: [c.req.method, route, String(c.res.status), c.get('apiKey')?.name ?? ''],
    doubles: [Date.now() - startedAt],
  })
})

/** Numbers for operators: of all tenants, from the directory, and of the way to Turso, from the object that all share. */
import { Hono } from 'hono'
import { readConfiguration } from '../configuration.ts'
import { answerWithin } from '../deadline.ts'
import { readGauges } from '../directory/gauges.ts'
import type { AppEnvironment } from '../environment.ts'
import { OBJECT_CALL_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { renderMetrics, type Metric } from '../metrics.ts'
import { authenticate } from '../middleware/authenticate.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'

export const metrics = new Hono<AppEnvironment>()
  .get('/metrics', authenticate('metrics'), async (c) => {
    const sources = {
      directory: () => readGauges(c.env.DIRECTORY, Date.now()),
      upstream: () => readUpstream(c.env),
    }
    // What is out of order itself must not hide the rest.
    const read = await Promise.all(
      Object.entries(sources).map(async ([source, metrics]) => {
        try {
          return { source, isUp: true, metrics: await metrics() }
        } catch (error) {
          log('error', 'metrics_unavailable', {
            request_id: c.get('requestId'),
            source,
            detail: errorText(error),
          })
          return { source, isUp: false, metrics: [] }
        }
      }),
    )
    const up: Metric = {
      name: 'turso_edge_source_up',
      help: 'Whether the source of these numbers answered.',
      samples: read.map(({ source, isUp }) => ({ labels: { source }, value: isUp ? 1 : 0 })),
    }
    const text = renderMetrics([up, ...read.flatMap(({ metrics }) => metrics)])
    return c.body(text, 200, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
    })
  })
  .all('/metrics', methodNotAllowed('GET'))

async function readUpstream(env: Env): Promise<Metric[]> {
  const { organization } = readConfiguration(env)
  const { isTokenRefused, pausedForMs, throttledForMs } = await answerWithin(
    OBJECT_CALL_MS,
    env.UPSTREAM.getByName(organization).describe(),
  )
  return [
    {
      name: 'turso_edge_platform_token_refused',
      help: 'Whether Turso does not accept the platform token: then nothing is sent to its Platform API.',
      samples: [{ value: isTokenRefused ? 1 : 0 }],
    },
    {
      name: 'turso_edge_upstream_paused_seconds',
      help: 'For how long no call is sent to the Platform API any more.',
      samples: [{ value: pausedForMs / 1000 }],
    },
    {
      name: 'turso_edge_upstream_throttled_seconds',
      help: 'For how long calls to it take turns, if none is refused again.',
      samples: [{ value: throttledForMs / 1000 }],
    },
  ]
}

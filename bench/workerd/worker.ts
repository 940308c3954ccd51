/**
 * One client in a Worker of its own. Clocks stand still inside workerd while it works, so it is told how many times to
 * work, and whoever tells it keeps the time.
 */
import type { BenchClient, OpenClient } from '../clients/contract.ts'
import { replay } from '../replay.ts'
import { createScenarios, type Scenario, type ScenarioSizes } from '../scenarios.ts'

/** What was decoded last; it must not look unused. */
export let sink: unknown

/**
 * `POST /prepare?scenario=…&sizes=…` with the recorded answer as its body, `GET /run?times=…`, and `GET /read`, which
 * answers with the cells.
 */
export function createWorker(open: OpenClient | undefined): { fetch(request: Request): Promise<Response> } {
  let scenario: Scenario | undefined
  let client: BenchClient | undefined
  return {
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url)
      if (pathname === '/prepare') {
        const sizes = JSON.parse(searchParams.get('sizes')!) as ScenarioSizes
        scenario = createScenarios(sizes).find(({ name }) => name === searchParams.get('scenario'))
        client = replay(open, {
          request: '',
          contentType: request.headers.get('content-type')!,
          body: new Uint8Array(await request.arrayBuffer()),
        })
        return new Response()
      }
      if (!scenario || !client) return new Response('not prepared', { status: 409 })
      try {
        if (pathname === '/read') return Response.json(scenario.read(client, await scenario.run(client)))
        for (let times = Number(searchParams.get('times')); times > 0; times--)
          sink = await scenario.run(client)
        return new Response()
      } catch (error) {
        return new Response(error instanceof Error ? error.stack : String(error), { status: 500 })
      }
    },
  }
}

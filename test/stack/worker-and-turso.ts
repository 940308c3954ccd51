/**
 * The Worker as it is deployed (bundled, without any Node compatibility) and a local Turso, both behind real sockets,
 * for clients that know nothing of either.
 */
import { devNull } from 'node:os'
import { unstable_startWorker as startWorker } from 'wrangler'
import { createLocalTurso, type BehaviourName, type LocalTurso } from '../../local/index.ts'
import { serveLocalTurso, type LocalTursoServer } from '../../local/serve.ts'
import { testBindings } from '../support/node/test-bindings.ts'

export interface RunningStack {
  /** Of the Worker, without a slash at its end. */
  url: string
  turso: LocalTurso
  /** Of the local Turso, likewise. */
  tursoUrl: string
  /** Takes Turso off the network: connections are refused from then on. Its data stays. */
  unplug(): Promise<void>
  /** Puts it back, on the same port. */
  plug(): Promise<void>
  /** What the Worker has written to its log so far. */
  logs(): string
  close(): Promise<void>
}

export interface StackOptions {
  /** Is told of every request that reaches Turso, before that. */
  seen?: (request: Request) => Promise<void>
  /** Variables of the Worker, beside those that all tests have. */
  bindings?: Readonly<Record<string, string>>
  /** Like what the database behaves. Default `spec`. */
  behaviour?: BehaviourName
}

export async function startStack({
  seen,
  bindings: others,
  behaviour = 'spec',
}: StackOptions = {}): Promise<RunningStack> {
  const local = createLocalTurso({ behaviour })
  const turso: LocalTurso = {
    ...local,
    async fetch(request) {
      await seen?.(request.clone())
      return await local.fetch(request)
    },
  }
  let server: LocalTursoServer = await serveLocalTurso(turso, { port: 0 })
  const { url: tursoUrl } = server
  const port = Number(new URL(tursoUrl).port)
  const bindings = {
    ...testBindings,
    TURSO_API_URL: tursoUrl,
    TURSO_DATABASE_URL: `${tursoUrl}/db/{name}/`,
    ...others,
  }
  const logs: string[] = []
  const worker = await startWorker({
    config: './wrangler.toml',
    envFiles: [devNull],
    bindings: Object.fromEntries(
      Object.entries(bindings).map(([name, value]) => [name, { type: 'plain_text', value }]),
    ),
    dev: {
      server: { hostname: '127.0.0.1', port: 0 },
      inspector: false,
      persist: false,
      watch: false,
      logLevel: 'error',
      structuredLogsHandler: ({ message }: { message: string }) => logs.push(message),
    },
  })
  await worker.ready
  return {
    url: (await worker.url).origin,
    turso,
    tursoUrl,
    unplug: () => server.close(),
    async plug() {
      server = await serveLocalTurso(turso, { port })
    },
    logs: () => logs.join('\n'),
    async close() {
      await worker.dispose()
      await server.close()
      await turso.close()
    },
  }
}

export interface Signup {
  tenant: { id: string; status: string }
  database: { name: string; http_url: string; url: string; gateway_url: string }
  token: { jwt: string }
}

export function postSignup(stack: { url: string }, id: string): Promise<Response> {
  return fetch(`${stack.url}/v1/tenants`, {
    method: 'POST',
    headers: { authorization: 'Bearer signup-key', 'content-type': 'application/json' },
    body: JSON.stringify({ id }),
  })
}

export async function signUp(stack: { url: string }, id: string): Promise<Signup> {
  const response = await postSignup(stack, id)
  if (response.status !== 201) throw new Error(`signup answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Signup
}

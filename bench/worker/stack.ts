/** The Worker in workerd and a local Turso, each behind a socket of this machine. */
import { devNull } from 'node:os'
import path from 'node:path'
import { getPlatformProxy, unstable_startWorker as startWorker } from 'wrangler'
import { createLocalTurso } from '../../local/index.ts'
import { serveLocalTurso } from '../../local/serve.ts'
import { testBindings } from '../../test/support/node/test-bindings.ts'

export const PLATFORM_TOKEN = 'local-platform-token'
export const API_KEY = 'admin-key'

export interface BenchStack {
  url: string
  tursoUrl: string
  /** The body of the latest pipeline that Turso was sent. */
  lastPipeline: () => string
  close: () => Promise<void>
}

/** @param folder where the Worker keeps its state */
export async function startStack(folder: string): Promise<BenchStack> {
  const turso = createLocalTurso()
  let pipeline = ''
  const server = await serveLocalTurso(
    {
      ...turso,
      fetch: async (request) => {
        if (request.url.endsWith('/pipeline')) pipeline = await request.clone().text()
        return await turso.fetch(request)
      },
    },
    { port: 0 },
  )
  const { url: tursoUrl } = server
  const variables = { ...testBindings, TURSO_API_URL: tursoUrl, TURSO_DATABASE_URL: `${tursoUrl}/db/{name}/` }
  // The simulator of the rate limits is an object with a database; what it costs is nothing like the real thing.
  const unlimited = { type: 'ratelimit', namespace_id: '1', simple: { limit: 1e9, period: 60 } } as const
  const worker = await startWorker({
    config: path.join(import.meta.dirname, '../../wrangler.toml'),
    envFiles: [devNull],
    bindings: {
      ...Object.fromEntries(
        Object.entries(variables).map(([name, value]) => [name, { type: 'plain_text' as const, value }]),
      ),
      SIGNUP_LIMIT: unlimited,
      ADMIN_LIMIT: unlimited,
      WRONG_KEY_LIMIT: unlimited,
    },
    dev: {
      server: { hostname: '127.0.0.1', port: 0 },
      inspector: false,
      persist: folder,
      watch: false,
      logLevel: 'error',
      structuredLogsHandler: () => undefined,
    },
  })
  await worker.ready
  return {
    url: (await worker.url).origin,
    tursoUrl,
    lastPipeline: () => pipeline,
    async close() {
      await worker.dispose()
      await server.close()
      await turso.close()
    },
  }
}

/** Writes tenants into the directory that a stack with the same folder will have, as if they had signed up. */
export async function fillDirectory(folder: string, tenants: number): Promise<void> {
  const { env, dispose } = await getPlatformProxy<{ DIRECTORY: Directory }>({
    configPath: path.join(import.meta.dirname, '../../wrangler.toml'),
    persist: { path: path.join(folder, 'v3') },
    envFiles: [],
  })
  try {
    // By a path that TypeScript does not follow: the Worker's files are checked under its own globals, not Node's.
    const file = path.join(import.meta.dirname, '../../worker/directory/schema.ts')
    const { migrateDirectory }: { migrateDirectory: (directory: Directory) => Promise<void> } = await import(
      file
    )
    await migrateDirectory(env.DIRECTORY)
    await env.DIRECTORY.prepare(
      `with recursive n (i) as (select 0 union all select i + 1 from n where i < ?1 - 1)
       insert into tenants (id, revision, name, status, group_name, location, database, schema_version, created_at,
         published_at)
       select printf('customer-%06d', i), 1, 'Customer ' || i, 'active', 'default', 'here',
         printf('customer-%06d-abcdefghij', i), 1, '2026-11-28T00:00:00.000Z', 0 from n`,
    )
      .bind(tenants)
      .run()
  } finally {
    await dispose()
  }
}

interface Directory {
  prepare: (sql: string) => { bind: (...args: number[]) => { run: () => Promise<unknown> } }
}

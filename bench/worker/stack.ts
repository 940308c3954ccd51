/** The Worker in workerd and a local Turso, each behind a socket of this machine. */
import { rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import {
  convertV4MiniflareOptions,
  Miniflare,
  type V4MiniflareOptions,
  type V4WorkerOptions,
} from 'miniflare'
import { unstable_getMiniflareWorkerOptions as readWorkerOptions } from 'wrangler'
import { createLocalTurso, type LocalTurso } from '../../local/index.ts'
import { serveLocalTurso } from '../../local/serve.ts'
import { testBindings } from '../../test/support/node/test-bindings.ts'

export const PLATFORM_TOKEN = 'local-platform-token'
export const API_KEY = 'admin-key'

export interface BenchStack {
  url: string
  turso: LocalTurso
  tursoUrl: string
  /** The body of the latest pipeline that Turso was sent. */
  lastPipeline: () => string
  close: () => Promise<void>
}

const root = path.join(import.meta.dirname, '../..')

/**
 * By Miniflare itself: the proxy of `wrangler dev` takes more time than the Worker.
 *
 * @param tenants that the directory knows from the beginning, as if they had signed up
 */
export async function startStack(tenants: number): Promise<BenchStack> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bench-worker-'))
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
  const scriptPath = path.join(folder, 'worker.js')
  await build({
    entryPoints: [path.join(root, 'worker/index.ts')],
    outfile: scriptPath,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
  })
  const { compatibilityDate, compatibilityFlags, durableObjects, d1Databases, bindings } = readWorkerOptions(
    path.join(root, 'wrangler.toml'),
  ).workerOptions as V4WorkerOptions
  // Without the rate limits: their simulator is an object with a database, which the real thing is not.
  const options = {
    compatibilityDate,
    compatibilityFlags,
    durableObjects,
    d1Databases,
    bindings: {
      ...bindings,
      ...testBindings,
      TURSO_API_URL: tursoUrl,
      TURSO_DATABASE_URL: `${tursoUrl}/db/{name}/`,
      SESSION_LIMITS: '1000',
    },
    modules: true,
    modulesRoot: folder,
    scriptPath,
    host: '127.0.0.1',
    port: 0,
    cf: false,
  }
  const miniflare = new Miniflare(convertV4MiniflareOptions(options as V4MiniflareOptions))
  const url = (await miniflare.ready).origin
  await fill(await miniflare.getD1Database('DIRECTORY'), tenants)
  return {
    url,
    turso,
    tursoUrl,
    lastPipeline: () => pipeline,
    async close() {
      await miniflare.dispose()
      await server.close()
      await turso.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface Directory {
  prepare: (sql: string) => { bind: (...args: number[]) => { run: () => Promise<unknown> } }
}

async function fill(directory: Directory, tenants: number): Promise<void> {
  // By a path that TypeScript does not follow: the Worker's files are checked under its own globals, not Node's.
  const file = path.join(root, 'worker/directory/schema.ts')
  const { migrateDirectory }: { migrateDirectory: (directory: Directory) => Promise<void> } = await import(
    file
  )
  await migrateDirectory(directory)
  await directory
    .prepare(
      `with recursive n (i) as (select 0 union all select i + 1 from n where i < ?1 - 1)
       insert into tenants (id, revision, name, status, group_name, location, database, schema_version, created_at,
         published_at)
       select printf('customer-%06d', i), 1, 'Customer ' || i, 'active', 'default', 'here',
         printf('customer-%06d-abcdefghij', i), 1, '2026-11-28T00:00:00.000Z', 0 from n where i < ?1`,
    )
    .bind(tenants)
    .run()
}

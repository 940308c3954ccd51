/** The Worker in workerd and a local Turso, each behind a socket of this machine. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  convertV4MiniflareOptions,
  Miniflare,
  type V4MiniflareOptions,
  type V4WorkerOptions,
} from 'miniflare'
import { unstable_getMiniflareWorkerOptions as readWorkerOptions } from 'wrangler'
import { createLocalTurso, type BehaviourName, type LocalTurso } from '../../../local/index.ts'
import { serveLocalTurso } from '../../../local/serve.ts'
import { testBindings } from '../node/test-bindings.ts'
import { bundle, changesOfLimits, type SourceChange } from './bundle.ts'
import { fillDirectory } from './directory.ts'
import { findLastingPort } from './port.ts'
import { workerPids } from './processes.ts'

export const PLATFORM_TOKEN = 'local-platform-token'
export const API_KEY = 'admin-key'

export interface Stack {
  url: string
  turso: LocalTurso
  tursoUrl: string
  /** The body of the latest pipeline that Turso was sent. */
  lastPipeline: () => string
  /** How many requests their sender, the Worker, has cut off before Turso had answered them. */
  cutOff: () => number
  /** Bytes of the bodies that Turso has sent so far. */
  bytesSent: () => number
  /** Where V8's inspector of the Worker's isolate listens, a WebSocket's; only of a stack that is `inspected`. */
  inspectorUrl: () => Promise<string>
  /** Ends workerd with SIGKILL, and starts it again with what it had stored. Meanwhile connections are refused. */
  crash: () => Promise<void>
  close: () => Promise<void>
}

export interface StackOptions {
  /**
   * The Worker runs with V8's inspector, and with as much heap as Cloudflare lets it have: without a limit, V8 lets garbage
   * lie. Default `false`.
   */
  inspected?: boolean
  /** Constants of `worker/limits.ts` that are others for this Worker, by their names: so that nobody has to wait for them. */
  limits?: Readonly<Record<string, number>>
  /** Like what the database behaves. Default `spec`. */
  behaviour?: BehaviourName
  /** After which the database gives a stream up. Default 10,000, as Turso has it. */
  streamIdleMs?: number
  /** Other source that this Worker is made of. */
  changes?: readonly SourceChange[]
  /** The main file of another Worker, with the Worker's `Tenants` bound as `TENANTS`. Requests to `/caller` go there. */
  caller?: string
}

/** Megabytes of heap that an isolate may have at Cloudflare. */
const ISOLATE_HEAP_MB = 128

const root = path.join(import.meta.dirname, '../../..')

/**
 * By Miniflare itself: the proxy of `wrangler dev` takes more time than the Worker.
 *
 * @param tenants that the directory knows from the beginning, as if they had signed up
 */
export async function startStack(
  tenants: number,
  {
    inspected = false,
    limits = {},
    behaviour = 'spec',
    streamIdleMs = 10_000,
    changes = [],
    caller,
  }: StackOptions = {},
): Promise<Stack> {
  const folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-stack-'))
  const turso = createLocalTurso({ behaviour, streamIdleMs })
  let pipeline = ''
  let bytesSent = 0
  let cutOff = 0
  const server = await serveLocalTurso(
    {
      ...turso,
      fetch: async (request) => {
        const count = (): void => void (cutOff += 1)
        request.signal.addEventListener('abort', count)
        if (request.url.endsWith('/pipeline')) pipeline = await request.clone().text()
        const response = await turso.fetch(request)
        request.signal.removeEventListener('abort', count)
        if (response.body === null) return response
        return new Response(
          countBytes(response.body, (bytes) => (bytesSent += bytes)),
          response,
        )
      },
    },
    { port: 0 },
  )
  const { url: tursoUrl } = server
  const scriptPath = path.join(folder, 'worker.js')
  await bundle('worker/index.ts', scriptPath, [...changes, ...(await changesOfLimits(limits))])
  const { compatibilityDate, compatibilityFlags, durableObjects, d1Databases, bindings } = readWorkerOptions(
    path.join(root, 'wrangler.toml'),
  ).workerOptions as V4WorkerOptions
  const worker = {
    name: 'turso-edge',
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
  }
  const workers = [worker as V4WorkerOptions]
  if (caller !== undefined) {
    const callerPath = path.join(folder, 'caller.js')
    await bundle(caller, callerPath)
    workers.push({
      name: 'caller',
      compatibilityDate,
      serviceBindings: { TENANTS: { name: worker.name, entrypoint: 'Tenants' } },
      routes: ['*/caller*'],
      modules: true,
      modulesRoot: folder,
      scriptPath: callerPath,
    } as V4WorkerOptions)
  }
  let restarted = (): void => undefined
  // Without the rate limits: their simulator is an object with a database, which the real thing is not.
  const options = convertV4MiniflareOptions({
    workers,
    host: '127.0.0.1',
    port: await findLastingPort(),
    cf: false,
    ...(inspected ? { inspectorPort: 0 } : {}),
    // Miniflare does so by itself; whoever asked for it as well would end the new one.
    unsafeHandleRuntimeRestart: () => restarted(),
  } as V4MiniflareOptions)
  if (inspected) process.env['MINIFLARE_WORKERD_V8_FLAGS'] = `--max-heap-size=${ISOLATE_HEAP_MB}`
  const others = new Set(await workerPids())
  const miniflare = new Miniflare(options)
  const url = (await miniflare.ready).origin
  delete process.env['MINIFLARE_WORKERD_V8_FLAGS']
  await fillDirectory(await miniflare.getD1Database('DIRECTORY', worker.name), tenants)
  return {
    url,
    turso,
    tursoUrl,
    lastPipeline: () => pipeline,
    cutOff: () => cutOff,
    bytesSent: () => bytesSent,
    inspectorUrl: async () => `${(await miniflare.getInspectorURL()).href}core:user:turso-edge`,
    async crash() {
      const again = new Promise<void>((resolve) => (restarted = resolve))
      for (const pid of await workerPids()) if (!others.has(pid)) process.kill(pid, 'SIGKILL')
      await again
    },
    async close() {
      await miniflare.dispose()
      await server.close()
      await turso.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The same body, read no faster than it is taken. */
function countBytes(
  body: ReadableStream<Uint8Array>,
  count: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  const counter = new TransformStream<Uint8Array, Uint8Array>(
    {
      transform(piece, controller) {
        count(piece.byteLength)
        controller.enqueue(piece)
      },
    },
    { highWaterMark: 1 },
    { highWaterMark: 0 },
  )
  return body.pipeThrough(counter)
}

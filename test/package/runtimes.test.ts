/**
 * The published package in the runtimes that it is for: a Worker without Node compatibility, Node, and a browser. Each
 * runs the same program against a local Turso behind a real socket, with a database of its own.
 */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { devNull } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unstable_startWorker as startWorker } from 'wrangler'
import {
  createLocalTurso,
  serveLocalTurso,
  type LocalTurso,
  type LocalTursoServer,
} from '../../local/index.ts'
import { createPlatform } from '../../src/index.ts'
import { readPublicPackage } from '../../tools/package/public-modules.ts'
import { copyInto, createConsumer, type Consumer } from './consumer.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) =>
  existsSync(file),
)

const EXPECTED = {
  created: [0, 2],
  found: [{ id: 2, title: 'b' }],
  blob: [Array.from({ length: 256 }, (_, index) => index).join()],
  committed: [{ n: 3 }],
  refused: 'SQLITE_CONSTRAINT',
  left: [{ title: 'a' }, { title: 'b' }, { title: 'c' }],
}

let consumer: Consumer
let turso: LocalTurso
let server: LocalTursoServer
/** Loads every module that is not for Node alone, and runs the scenario. */
let program: string

beforeAll(async () => {
  turso = createLocalTurso()
  server = await serveLocalTurso(turso, { port: 0 })
  consumer = await createConsumer()
  const { modules, peers } = await readPublicPackage()
  for (const peer of peers) await consumer.provide(peer)
  await copyInto(consumer, 'test/package/programs')
  const portable = modules.filter(({ needsNode }) => !needsNode)
  program = [
    ...portable.map(({ specifier }, index) => `import * as module${index} from '${specifier}'`),
    "import { runScenario } from './scenario.ts'",
    `const modules = { ${portable.map(({ specifier }, index) => `'${specifier}': module${index}`).join(', ')} }`,
    `export const run = async (access) => ({
       empty: Object.keys(modules).filter((name) => Object.keys(modules[name]).length === 0),
       ...(await runScenario(access)),
     })`,
  ].join('\n')
  await writeFile(path.join(consumer.folder, 'program.ts'), program)
}, 600_000)

afterAll(async () => {
  await server.close()
  await turso.close()
  await consumer.remove()
})

async function createDatabase(name: string): Promise<{ url: string; authToken: string }> {
  const platform = createPlatform({
    token: 'local-platform-token',
    organization: 'local',
    baseUrl: server.url,
  })
  await platform.databases.create(name, { location: 'aws-eu-west-1' })
  return { url: `${server.url}/db/${name}`, authToken: await platform.databases.createToken(name) }
}

test('works in Node', async () => {
  const access = JSON.stringify(await createDatabase('node'))
  const output = await consumer.runModule(
    `import { run } from './program.ts'\nconsole.log(JSON.stringify(await run(${access})))`,
    'main.ts',
  )
  expect(JSON.parse(output)).toEqual({ empty: [], ...EXPECTED })
})

test('works in a Worker that has nothing of Node', async () => {
  const access = await createDatabase('worker')
  const entrypoint = path.join(consumer.folder, 'worker.ts')
  await writeFile(
    entrypoint,
    `import { run } from './program.ts'
     export default {
       async fetch(request) {
         const isBare = typeof process === 'undefined' && typeof Buffer === 'undefined'
         return Response.json({ isBare, ...(await run(await request.json())) })
       },
     }`,
  )
  const worker = await startWorker({
    name: 'consumer',
    entrypoint,
    compatibilityDate: '2026-10-20',
    compatibilityFlags: ['no_nodejs_compat', 'no_nodejs_compat_v2'],
    envFiles: [devNull],
    dev: {
      server: { hostname: '127.0.0.1', port: 0 },
      inspector: false,
      persist: false,
      watch: false,
      logLevel: 'error',
    },
  })
  try {
    // A worker that cannot be built is never ready.
    const failed = new Promise<never>((_, reject) => {
      worker.raw.once('buildFailed', () => reject(new Error('the Worker could not be built')))
      worker.raw.once('error', reject)
    })
    await Promise.race([worker.ready, failed])
    const response = await fetch(await worker.url, { method: 'POST', body: JSON.stringify(access) })
    expect(await response.json()).toEqual({ isBare: true, empty: [], ...EXPECTED })
  } finally {
    await worker.dispose()
  }
})

test.skipIf(!CHROMIUM)('works in a browser, on a page of another origin than the database', async () => {
  const access = await createDatabase('browser')
  const { outputFiles } = await build({
    entryPoints: [path.join(consumer.folder, 'program.ts')],
    bundle: true,
    format: 'esm',
    write: false,
  })
  const files: Readonly<Record<string, { type: string; body: string | Uint8Array }>> = {
    '/': { type: 'text/html', body: '<!doctype html><title>consumer</title>' },
    '/program.js': { type: 'text/javascript', body: outputFiles[0]!.contents },
  }
  const site = createServer((request, response) => {
    const file = files[request.url ?? '']
    response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' }).end(file?.body)
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  const browser = await chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
    const outcome = await page.evaluate(
      `import('/program.js').then(({ run }) => run(${JSON.stringify(access)}))`,
    )
    expect(outcome).toEqual({ empty: [], ...EXPECTED })
  } finally {
    await browser.close()
    site.closeAllConnections()
    await new Promise((resolve) => site.close(resolve))
  }
})

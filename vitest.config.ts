/**
 * One suite, several runtimes. The core's tests run in Node and in workerd, the same files; the Worker's in workerd.
 * Wherever they run, the local Turso is their internet: no port, no mock of our own code.
 */
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import type { BehaviourName } from './local/index.ts'
import { PATIENCE_MS } from './test/support/patience.ts'
import { createOutbound } from './test/support/node/outbound.ts'
import { propertySeed } from './test/support/node/property-seed.ts'
import { testBindings, testRateLimits } from './test/support/node/test-bindings.ts'
import { bundleMigrations } from './tools/bundle-migrations.ts'

await bundleMigrations({ from: 'migrations', to: 'worker/schema/migrations.generated.ts' })

// wrangler looks for the secrets in the environment, and warns in every worker when they are only bound.
for (const secret of ['TURSO_PLATFORM_TOKEN', 'API_KEYS', 'BATON_KEY'] as const)
  process.env[secret] = testBindings[secret]

const workerd = (behaviour: BehaviourName) => {
  const outbound = createOutbound(behaviour)
  process.once('exit', outbound.close)
  return cloudflareTest({
    wrangler: { configPath: './wrangler.toml' },
    miniflare: { bindings: testBindings, ratelimits: testRateLimits, outboundService: outbound.fetch },
  })
}

/** A busy machine is not a failure. A poll is given up before its test, as it says what it has waited for. */
const patience = {
  testTimeout: 2 * PATIENCE_MS,
  hookTimeout: 2 * PATIENCE_MS,
  expect: { poll: { timeout: PATIENCE_MS } },
}

/** What all projects have. */
const everywhere = {
  ...patience,
  // No file leaves anything in a module, so none needs a registry of its own: a second each.
  isolate: false,
  setupFiles: ['test/support/property-seed.ts'],
  provide: { propertySeed: propertySeed(process.env['PROPERTY_SEED']) },
}

/**
 * The files of a project one after the other: they share a local Turso, whose log and faults the test that runs has to
 * itself. Vitest wants what is not parallel in a group of its own.
 */
const inTurn = { fileParallelism: false, sequence: { groupOrder: 1 } }

/** Of the Worker's tests these files, on one Worker, which has such a Turso behind it. */
const worker = (name: string, behaviour: BehaviourName, include: string[]) => ({
  plugins: [workerd(behaviour)],
  test: {
    ...everywhere,
    ...inTurn,
    name,
    include,
    // It loads what the others have as well, in its turn, and gives each file what a Worker of its own would.
    setupFiles: ['test/worker/setup.ts'],
    provide: { ...everywhere.provide, behaviour },
  },
})

/** Tests of whole processes and sockets: slower, and those of a project not side by side with each other. */
const wholeProcesses = (name: string) => ({
  test: {
    ...everywhere,
    name,
    include: [`test/${name}/**/*.test.ts`],
    fileParallelism: false,
    testTimeout: 4 * PATIENCE_MS,
    hookTimeout: 4 * PATIENCE_MS,
  },
})

/** What the project `worker` has behind it: `TURSO_BEHAVIOUR=cloud` lets all of its files meet another one. */
const turso = (process.env['TURSO_BEHAVIOUR'] ?? 'spec') as BehaviourName

/** In which the runtime does nothing: text goes in and values come out. */
const ofTextAlone = ['test/core/scan.test.ts']

const filesOf = (...names: string[]): string[] => names.map((name) => `test/worker/${name}.test.ts`)
/** Where it shows how the servers differ that users have. */
const aboutServers = filesOf('gateway', 'gateway-differential', 'sessions')

export default defineConfig({
  test: {
    // What tests that pass have logged would hide what the others have.
    silent: 'passed-only',
    projects: [
      {
        test: {
          ...everywhere,
          name: 'core@node',
          include: ['test/core/**/*.test.ts'],
          setupFiles: [...everywhere.setupFiles, 'test/support/node/local-turso-as-fetch.ts'],
        },
      },
      {
        plugins: [workerd('spec')],
        test: {
          ...everywhere,
          ...inTurn,
          name: 'core@workerd',
          include: ['test/core/**/*.test.ts'],
          exclude: ofTextAlone,
        },
      },
      worker('worker', turso, ['test/worker/**/*.test.ts']),
      worker('worker@sqld', 'sqld', aboutServers),
      worker('worker@cloud', 'cloud', [...aboutServers, ...filesOf('history', 'socket')]),
      { test: { ...everywhere, name: 'local', include: ['test/local/**/*.test.ts'] } },
      {
        test: {
          ...everywhere,
          name: 'tools',
          // They load programs, which may do to their process what they like.
          isolate: true,
          include: ['test/tools/**/*.test.ts', 'test/package/**/*.test.ts'],
        },
      },
      wholeProcesses('stack'),
      wholeProcesses('start'),
    ],
  },
})

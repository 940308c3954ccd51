// The process in which wrangler runs the Worker. Started by part.ts, which sends it its WorkerMessage. Wrangler's
// program interface is used, not its command, so that no secret is in an argument or a file, and so that the process
// can end itself, with workerd, when the one that started it is gone.

import { devNull } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { stop as stopEsbuild } from 'esbuild'
import { unstable_startWorker as startWorker } from 'wrangler'
import { followChildren } from '../process/children.ts'
import { signalGroup } from '../process/group.ts'
import type { WorkerMessage } from './parts.ts'
import { watchMigrations } from './watch-migrations.ts'

const DISPOSE_GRACE_MS = 3_000

let worker: Awaited<ReturnType<typeof startWorker>> | undefined

// Wrangler would start a new workerd, but its proxy, itself a workerd, then never answers again.
const children = followChildren((program, how) => {
  if (program !== 'workerd') return
  console.error(`workerd ended unexpectedly (${how})`)
  void end(1)
})

process.on('disconnect', () => void end(0))
process.on('message', (message: WorkerMessage) => {
  run(message).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error)
    void end(1)
  })
})

async function run({
  configFile,
  host,
  port,
  stateFolder,
  variables,
  secrets,
}: WorkerMessage): Promise<void> {
  worker = await startWorker({
    config: configFile,
    // Instead of .dev.vars and .env.
    envFiles: [devNull],
    // We watch the migrations ourselves: of a failed build command wrangler prints a page about the process it was.
    build: { custom: { command: '' } },
    bindings: { ...bindingsOf('plain_text', variables), ...bindingsOf('secret_text', secrets) },
    dev: {
      server: { hostname: host, port },
      inspector: false,
      persist: stateFolder,
      watch: true,
      structuredLogsHandler: ({ level, message }: { level: string; message: string }) =>
        level === 'error' || level === 'warn' ? console.error(message) : console.log(message),
    },
  })
  worker.raw.on('runtimeError', ({ text, stack }: { text: string; stack: string }) =>
    console.error(stack || text),
  )
  // Before the first build has worked there is nothing that a next one could repair while we wait.
  const failed = new Promise<never>((_, reject) => {
    worker?.raw.once('buildFailed', () => reject(new Error('The Worker could not be built.')))
    worker?.raw.once('error', reject)
  })
  await Promise.race([worker.ready, failed])
  watchMigrations((problem) => console.error(problem))
  failed.catch(() => undefined)
}

function bindingsOf(type: 'plain_text' | 'secret_text', values: Readonly<Record<string, string>>) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { type, value }]))
}

async function end(code: number): Promise<void> {
  await Promise.race([disposeAll(), sleep(DISPOSE_GRACE_MS)])
  // We lead a process group. Without a parent that cleans up, end ourselves whatever outlived the disposal: at last, since
  // Miniflare removes its temporary folder at the exit when it was not disposed of.
  process.once('exit', () => !process.connected && signalGroup(process.pid, 'SIGKILL'))
  process.exit(code)
}

async function disposeAll(): Promise<void> {
  await worker?.dispose()
  // Wrangler leaves esbuild's service running until the process ends.
  await stopEsbuild()
  await children.allEnded()
}

// `npm start`: the local Turso and the Worker, side by side, until Ctrl-C.

import { bundleMigrations, REPOSITORY_MIGRATIONS } from './bundle-migrations.ts'
import { HELP, parseStartArguments, type StartOptions } from './development/arguments.ts'
import { renderBanner } from './development/banner.ts'
import { openDataFolder, type DataFolder } from './development/data-folder.ts'
import { describeEnd, waitUntilHealthy } from './development/health.ts'
import { startPart, type Part } from './development/part.ts'
import { planTurso, planWorker } from './development/parts.ts'
import { requireFreePort } from './development/ports.ts'
import { onStopRequest } from './process/stop-request.ts'

async function main(options: StartOptions): Promise<void> {
  await bundleMigrations(REPOSITORY_MIGRATIONS)
  await requireFreePort(options.port, '--port')
  await requireFreePort(options.tursoPort, '--turso-port')
  const data = await openDataFolder(options.dataFolder, { fresh: options.fresh })
  try {
    await runStack(options, data)
  } finally {
    await data.release()
  }
}

const STOP = Symbol('stop')

/**
 * Returns when asked to stop; throws when a part ends by itself. A second request ends the parts at once.
 * Leaves no process either way.
 */
async function runStack(options: StartOptions, data: DataFolder): Promise<void> {
  const parts: Part[] = []
  const stopRequest = new Promise<typeof STOP>((resolve) => {
    let isFirst = true
    onStopRequest(() => {
      if (!isFirst) return parts.forEach((part) => part.kill())
      isFirst = false
      console.log('Stopping ...')
      resolve(STOP)
    })
  })
  process.once('exit', () => parts.forEach((part) => part.kill()))
  try {
    // Until then, a part that fails is reported with all that it wrote.
    let isReady = false
    console.log('Starting the local Turso and the Worker ...')
    for (const plan of [planTurso(options, data), planWorker(options, data)]) {
      parts.push(startPart(plan, (line) => isReady && console.error(`[${plan.name}] ${line}`)))
    }
    const ready = Promise.all(parts.map(waitUntilHealthy))
    if ((await Promise.race([ready, stopRequest])) === STOP) return
    isReady = true
    await data.markReady()
    console.log(renderBanner(options))
    const crash = Promise.race(
      parts.map(async (part) => {
        throw new Error(describeEnd(part, await part.ended))
      }),
    )
    await Promise.race([crash, stopRequest])
  } finally {
    await Promise.all(parts.map((part) => part.stop()))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

let options: StartOptions | undefined
try {
  options = parseStartArguments(process.argv.slice(2))
} catch (error) {
  console.error(messageOf(error))
  process.exitCode = 2
}

if (options?.help) console.log(HELP)
else if (options) {
  // A terminal that is gone must not keep us from stopping in order.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  try {
    await main(options)
    // To be stopped is what a development server is for: with 130, npm would report a failure after every Ctrl-C.
    process.exit(0)
  } catch (error) {
    console.error(messageOf(error))
    process.exit(1)
  }
}

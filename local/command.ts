/** `node local/command.ts`: a local Turso on a port, until it is told to stop or its parent goes away. */
import { parseArgs } from 'node:util'
import { createLocalTurso } from './index.ts'
import { serveLocalTurso } from './serve.ts'

const USAGE = `Usage: node local/command.ts [--port <port>] [--data <folder>]

Serves an offline Turso on 127.0.0.1, for development and tests.

  --port <port>    the port to listen on, 0 for any free one (default 8788)
  --data <folder>  where the databases are kept (default: a temporary folder, removed at the end)
  --help           print this`

const DEFAULT_PORT = 8788

class UsageError extends Error {}

try {
  await main()
} catch (error) {
  process.stderr.write(`local Turso: ${(error as Error).message.split('\n')[0]}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}

async function main(): Promise<void> {
  const { port, data, help } = readArguments()
  if (help) {
    process.stdout.write(`${USAGE}\n`)
    return
  }
  const turso = createLocalTurso(data === undefined ? {} : { data })
  const server = await serveLocalTurso(turso, { port }).catch(async (error: unknown) => {
    await turso.close()
    throw error
  })

  let isStopping = false
  const stop = () => {
    if (isStopping) return
    isStopping = true
    void server
      .close()
      .then(turso.close)
      .then(() => process.exit(0))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.once('disconnect', stop)
  process.stdout.write(`local Turso listening on ${server.url}\n`)
}

function readArguments(): { port: number; data: string | undefined; help: boolean } {
  const { values } = parse()
  const { port = String(DEFAULT_PORT), data, help = false } = values
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError(`--port must be a number from 0 to 65535, not "${port}"`)
  }
  if (data === '') throw new UsageError('--data must name a folder')
  return { port: Number(port), data, help }
}

function parse() {
  try {
    return parseArgs({
      options: { port: { type: 'string' }, data: { type: 'string' }, help: { type: 'boolean' } },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

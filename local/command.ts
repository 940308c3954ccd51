#!/usr/bin/env node
/** `turso-edge local`: a local Turso on a port, until it is told to stop or its parent goes away. */
import { readCommand, UsageError, USAGE, type Command } from './arguments.ts'
import { createLocalTurso, FaultScriptError, serveLocalTurso } from './index.ts'

try {
  const command = readCommand(process.argv.slice(2), process.env)
  if (command) await run(command)
  else process.stdout.write(`${USAGE}\n`)
} catch (error) {
  const [reason] = (error as Error).message.split('\n')
  process.stderr.write(`local Turso: ${reason}\n`)
  if (error instanceof UsageError) process.stderr.write('See turso-edge --help\n')
  process.exitCode = error instanceof UsageError ? 2 : 1
}

async function run(command: Command): Promise<void> {
  const turso = create(command)
  const server = await serveLocalTurso(turso, command.serve).catch(async (error: unknown) => {
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

function create({ turso }: Command) {
  try {
    return createLocalTurso(turso)
  } catch (error) {
    if (error instanceof FaultScriptError) throw new UsageError(`--faults: ${error.message}`)
    if (error instanceof TypeError) throw new UsageError(error.message)
    throw error
  }
}

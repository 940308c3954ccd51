/** The command line of `turso-edge`. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { BehaviourName, FaultScript, LocalTursoOptions, PlanName, Traps } from './index.ts'
import type { ServeOptions } from './serve.ts'

/** The command was called in a way that makes no sense. The message is for whoever typed it. */
export class UsageError extends Error {}

export const USAGE = `Usage: turso-edge local [options]

Serves an offline Turso, for development and tests: the Platform API below /v1, and the SQL of every database
below /db/<name>. Runs until it is stopped.

  --port <port>          the port to listen on, 0 for any free one (default 8788)
  --host <address>       the address to listen on (default 127.0.0.1: this machine only)
  --data <folder>        where the databases are kept (default: a temporary folder, removed at the end)
  --organization <slug>  the slug of the only organization (default local)
  --behaviour <server>   which server it is like where they differ: spec, sqld or cloud (default spec)
  --plan <name>          what its organization may do: starter, developer, scaler or pro (default scaler)
  --traps <file>         a file of JSON: ways in which the real service surprises its clients (default: none)
  --faults <what>        what goes wrong: a file of JSON with a script of faults, or a number, the seed of a mix of
                         everything (default: nothing)
  --help                 print this

  TURSO_PLATFORM_TOKEN   in the environment: the token of the Platform API (default local-platform-token)

It needs the package libsql: npm install --save-dev libsql@0.5.29`

/** What the command line asks for. */
export interface Command {
  readonly turso: LocalTursoOptions
  readonly serve: ServeOptions
}

const DEFAULT_PORT = 8788

/** Reads the arguments behind the command's name; `undefined` when only help is asked for. Throws `UsageError`. */
export function readCommand(
  argv: string[],
  environment: Readonly<Record<string, string | undefined>>,
): Command | undefined {
  const { values, positionals } = parse(argv)
  const [subcommand, stray] = positionals
  if (values.help) return undefined
  if (subcommand === undefined)
    throw new UsageError('missing the subcommand; did you mean "turso-edge local"?')
  if (subcommand !== 'local')
    throw new UsageError(`unknown subcommand "${subcommand}"; there is only "local"`)
  if (stray !== undefined) throw new UsageError(`unexpected argument "${stray}"`)

  for (const [name, value] of Object.entries(values)) {
    if (value === '') throw new UsageError(`--${name} must not be empty`)
  }
  const { port = String(DEFAULT_PORT), host, data, organization, behaviour, plan, traps, faults } = values
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new UsageError(`--port must be a number from 0 to 65535, not "${port}"`)
  }
  const platformToken = environment['TURSO_PLATFORM_TOKEN']
  return {
    turso: {
      ...(data !== undefined && { data }),
      ...(organization !== undefined && { organization }),
      // Whoever uses it says what there is.
      ...(behaviour !== undefined && { behaviour: behaviour as BehaviourName }),
      ...(plan !== undefined && { plan: plan as PlanName }),
      ...(traps !== undefined && { traps: readJson('--traps', traps) as Traps }),
      ...(platformToken && { platformToken }),
      ...(faults !== undefined && { faults: readFaults(faults) }),
    },
    serve: { port: Number(port), ...(host !== undefined && { host }) },
  }
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        data: { type: 'string' },
        organization: { type: 'string' },
        behaviour: { type: 'string' },
        plan: { type: 'string' },
        traps: { type: 'string' },
        faults: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** A seed, or a script that is checked by whoever uses it. */
function readFaults(what: string): FaultScript {
  return /^[0-9]+$/.test(what) ? Number(what) : (readJson('--faults', what) as FaultScript)
}

function readJson(option: string, file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}`)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new UsageError(`${option}: ${file} is not JSON: ${(error as Error).message}`)
  }
}

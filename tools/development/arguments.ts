import path from 'node:path'
import { parseArgs } from 'node:util'

/** What `npm start` was asked for. */
export interface StartOptions {
  readonly port: number
  readonly tursoPort: number
  /** Absolute. */
  readonly dataFolder: string
  readonly fresh: boolean
  readonly help: boolean
}

export const HELP = `npm start [-- options]: the local Turso and the Worker, without any account

  --port <n>        of the Worker (8787)
  --turso-port <n>  of the local Turso (8788)
  --data <folder>   where everything is kept (.turso-edge)
  --fresh           delete what is kept there first
  --help            this text`

/** Throws an error of one line at the first argument that makes no sense. */
export function parseStartArguments(argv: readonly string[]): StartOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: 'string', default: '8787' },
      'turso-port': { type: 'string', default: '8788' },
      data: { type: 'string', default: '.turso-edge' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const port = parsePort('--port', values.port)
  const tursoPort = parsePort('--turso-port', values['turso-port'])
  if (port === tursoPort) throw new Error(`--port and --turso-port are both ${port}; they need two ports`)
  if (values.data.trim() === '') throw new Error('--data needs the name of a folder')
  return { port, tursoPort, dataFolder: path.resolve(values.data), fresh: values.fresh, help: values.help }
}

function parsePort(flag: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new Error(`${flag} needs a port from 1 to 65535, not "${text}"`)
  return port
}

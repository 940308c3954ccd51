import path from 'node:path'
import { offlineWrangler } from '../wrangler-environment.ts'
import { apiKeyEntry } from '../keys/api-key.ts'
import type { StartOptions } from './arguments.ts'
import type { DataFolder } from './data-folder.ts'
import type { PartPlan } from './part.ts'
import { HOST } from './ports.ts'

const root = path.join(import.meta.dirname, '../..')

/** Accepted by the Worker of `npm start`, and by no other. */
export const DEVELOPMENT_KEY = 'dev-key'

// What the local Turso has and accepts.
const ORGANIZATION = 'local'
const PLATFORM_TOKEN = 'local-platform-token'

/** The local Turso. */
export function planTurso({ tursoPort }: StartOptions, data: DataFolder): PartPlan {
  return {
    name: 'local Turso',
    command: [
      path.join(root, 'local/command.ts'),
      'local',
      `--port=${tursoPort}`,
      `--data=${path.join(data.path, 'turso')}`,
    ],
    // Not the one that a developer may have in the shell.
    env: { TURSO_PLATFORM_TOKEN: PLATFORM_TOKEN },
    logFile: path.join(data.path, 'turso.log'),
    healthUrl: `http://${HOST}:${tursoPort}/health`,
  }
}

/** What the process of the Worker is sent. */
export interface WorkerMessage {
  readonly configFile: string
  readonly host: string
  readonly port: number
  readonly stateFolder: string
  readonly variables: Readonly<Record<string, string>>
  readonly secrets: Readonly<Record<string, string>>
}

/** The Worker, run by wrangler. */
export function planWorker({ port, tursoPort }: StartOptions, data: DataFolder): PartPlan {
  const tursoUrl = `http://${HOST}:${tursoPort}`
  const message: WorkerMessage = {
    configFile: path.join(root, 'wrangler.toml'),
    host: HOST,
    port,
    stateFolder: path.join(data.path, 'worker'),
    variables: {
      TURSO_API_URL: tursoUrl,
      TURSO_DATABASE_URL: `${tursoUrl}/db/{name}/`,
      TURSO_ORGANIZATION: ORGANIZATION,
    },
    secrets: {
      TURSO_PLATFORM_TOKEN: PLATFORM_TOKEN,
      API_KEYS: apiKeyEntry('dev', 'admin', DEVELOPMENT_KEY),
      BATON_KEY: data.batonKey,
    },
  }
  return {
    name: 'Worker',
    command: [path.join(import.meta.dirname, 'worker-process.ts')],
    env: {
      ...offlineWrangler,
      // The Worker's variables are those of the message, not what a developer has in .env or in the shell.
      CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: 'false',
      FORCE_COLOR: '0',
      // The build command of wrangler.toml says `node`; this is the one that can run it.
      PATH: [path.dirname(process.execPath), process.env['PATH']].join(path.delimiter),
    },
    message: { ...message },
    logFile: path.join(data.path, 'worker.log'),
    healthUrl: `http://${HOST}:${port}/health`,
  }
}

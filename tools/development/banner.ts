import type { StartOptions } from './arguments.ts'
import { DEVELOPMENT_KEY } from './parts.ts'
import { HOST } from './ports.ts'

/** What `npm start` says when everything is up. */
export function renderBanner({ port, tursoPort, dataFolder }: StartOptions): string {
  const workerUrl = `http://${HOST}:${port}`
  const demo = port === 8787 ? 'npm run demo' : `npm run demo -- --url ${workerUrl}`
  return `
  Worker       ${workerUrl}
  local Turso  http://${HOST}:${tursoPort}
  API key      ${DEVELOPMENT_KEY} (signup and admin)
  data         ${dataFolder}
  demo         ${demo}
  stop         Ctrl-C

Sign a tenant up:

curl -sS -X POST ${workerUrl}/v1/tenants -H 'Authorization: Bearer ${DEVELOPMENT_KEY}' -H 'Idempotency-Key: signup-acme' -H 'Content-Type: application/json' -d '{"id":"acme"}'
`
}

// `npm run directory -- rebuild`: makes the Worker's directory in D1 again from the tenants' objects.

import { parseArgs } from 'node:util'
import { DEVELOPMENT_KEY } from './development/parts.ts'
import { idsOfCloudflare, idsOfFile, idsOfFolder } from './directory/objects.ts'
import { rebuildDirectory } from './directory/rebuild.ts'

const HELP = `npm run directory -- rebuild [options]: makes the directory again from the tenants' objects

  --url <url>        of the Worker (http://127.0.0.1:8787, with the key of npm start)
and where the ids of the objects come from:
  --data <folder>    the folder of npm start (.turso-edge)
  --account <id>     Cloudflare, with a token in CLOUDFLARE_API_TOKEN that may read Workers scripts
  --script <name>    name of the Worker there (turso-edge)
  --ids <file>       a file, one a line; - for standard input

The API key, with the scope admin, is read from TURSO_EDGE_KEY. Rows of tenants that are not there are dropped at the
end; their objects are asked first. It does no harm to stop it and to begin again.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8787' },
    data: { type: 'string', default: '.turso-edge' },
    account: { type: 'string' },
    script: { type: 'string', default: 'turso-edge' },
    ids: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

function requireVariable(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set`)
  return value
}

function keyFor(url: string): string {
  const isLocal = ['127.0.0.1', 'localhost'].includes(new URL(url).hostname)
  return isLocal ? (process.env['TURSO_EDGE_KEY'] ?? DEVELOPMENT_KEY) : requireVariable('TURSO_EDGE_KEY')
}

async function main(): Promise<void> {
  const { url, account, ids } = values
  const key = keyFor(url)
  const objects =
    ids !== undefined
      ? await idsOfFile(ids)
      : account !== undefined
        ? idsOfCloudflare({
            accountId: account,
            script: values.script,
            token: requireVariable('CLOUDFLARE_API_TOKEN'),
          })
        : await idsOfFolder(values.data)
  const { failed, published, empty, removed } = await rebuildDirectory(objects, {
    url,
    key,
    onProgress: console.error,
  })
  for (const { object, detail } of failed) console.error(`${object}: ${detail}`)
  console.log(
    `${published} tenants published, ${empty} objects empty, ${removed} rows dropped, ${failed.length} failed`,
  )
  if (failed.length > 0) process.exitCode = 1
}

if (values.help) console.log(HELP)
else if (positionals.length !== 1 || positionals[0] !== 'rebuild') {
  console.error(HELP)
  process.exitCode = 2
} else
  try {
    await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }

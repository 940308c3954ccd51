// `npm run key -- <name> <scope>`: makes an API key for the Worker.

import { apiKeyEntry, createApiKey } from './keys/api-key.ts'

const [name = '', scope = '', ...rest] = process.argv.slice(2)

if (!/^[a-z0-9-]{1,32}$/.test(name) || !['signup', 'admin', 'metrics'].includes(scope) || rest.length > 0) {
  console.error(`usage: npm run key -- <name> <scope>
  name   who will use the key: 1 to 32 of a-z, 0-9 and -
  scope  signup:  create tenants, read them, give out tokens
         metrics: read /metrics
         admin:   everything`)
  process.exitCode = 2
} else {
  const key = createApiKey(name)
  console.log(key)
  // On the other output, so that the key alone can be piped into a password store.
  console.error(`
This is the only time that the key is shown. The Worker keeps its SHA-256. Add this to the secret API_KEYS, behind
the entries that are there already, separated by a comma (\`npx wrangler secret put API_KEYS\` replaces all of them):

${apiKeyEntry(name, scope, key)}`)
}

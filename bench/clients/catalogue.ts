/** Who takes part, and how each is bundled. */
import { existsSync } from 'node:fs'
import path from 'node:path'

export interface Contestant {
  readonly name: string
  /** The module that exports `open`, an {@link OpenClient}, seen from this folder. None for `JSON.parse` itself. */
  readonly entry?: string
  /** What a program would import of it to make queries, for its size and its time to load. */
  readonly library?: string
  /** Its worker in workerd is given Node's globals: who asks for `Buffer` would fail, or be slower, without. */
  readonly needsNode?: true
  /** The npm package, for its version; of ours, none. */
  readonly package?: string
}

export const JSON_PARSE = 'JSON.parse'
export const BARE_FETCH = 'fetch + json()'
export const TURSO_EDGE = 'turso-edge'

const root = path.join(import.meta.dirname, '../..')
const dropIn = '../../src/libsql/index.ts'

const libsqlLike = (module: string) => `
  import { createClient } from '${module}'
  import { openLibsqlClient } from './libsql-client.ts'
  export const open = openLibsqlClient(createClient)`

export const CONTESTANTS: readonly Contestant[] = [
  { name: JSON_PARSE },
  { name: BARE_FETCH, entry: `export { openBareFetch as open } from './bare.ts'` },
  {
    name: TURSO_EDGE,
    entry: `export { openTursoEdge as open } from './turso-edge.ts'`,
    library: `export { connect, sql } from '../../src/index.ts'`,
  },
  ...(existsSync(path.join(import.meta.dirname, dropIn))
    ? [
        {
          name: 'turso-edge/libsql',
          entry: libsqlLike(dropIn),
          library: `export { createClient } from '${dropIn}'`,
        },
      ]
    : []),
  {
    name: 'libsql-stateless-easy',
    entry: `export { openLibsqlStatelessEasy as open } from './libsql-stateless-easy.ts'`,
    library: `export { createClient } from 'libsql-stateless-easy'`,
    package: 'libsql-stateless-easy',
    needsNode: true,
  },
  {
    name: '@tursodatabase/serverless',
    entry: `export { openTursodatabaseServerless as open } from './tursodatabase-serverless.ts'`,
    library: `export { connect } from '@tursodatabase/serverless'`,
    package: '@tursodatabase/serverless',
    needsNode: true,
  },
  {
    name: '@tursodatabase/serverless/compat',
    entry: `
      import { createClient } from '@tursodatabase/serverless/compat'
      import { openLibsqlClient } from './libsql-client.ts'
      const create = ({ url, authToken, fetch }) => {
        // It refuses one of its own.
        globalThis.fetch = fetch
        return createClient({ url, authToken })
      }
      export const open = openLibsqlClient(create)`,
    library: `export { createClient } from '@tursodatabase/serverless/compat'`,
    package: '@tursodatabase/serverless',
    needsNode: true,
  },
  ...['web', 'http'].map((door): Contestant => ({
    name: `@libsql/client/${door}`,
    entry: libsqlLike(`@libsql/client/${door}`),
    library: `export { createClient } from '@libsql/client/${door}'`,
    package: '@libsql/client',
    needsNode: true,
  })),
]

/** The version that is installed. */
export async function versionOf({ package: name }: Contestant): Promise<string | undefined> {
  if (name === undefined) return undefined
  const { default: manifest } = (await import(path.join(root, 'node_modules', name, 'package.json'), {
    with: { type: 'json' },
  })) as { default: { version: string } }
  return manifest.version
}

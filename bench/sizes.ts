/** What a Worker's bundle grows by, minified and gzipped. */
import { gzipSync } from 'node:zlib'
import { bundle } from './bundle.ts'
import { CONTESTANTS } from './clients/catalogue.ts'

export interface Size {
  name: string
  minified: number
  gzipped: number
}

/** The parts of the library, before those who are compared with it. */
const PARTS: readonly (readonly [name: string, library: string])[] = [
  ['turso-edge: connect and sql', `export { connect, sql } from '../../src/index.ts'`],
  ['turso-edge: createDatabasesClient', `export { createDatabasesClient } from '../../src/index.ts'`],
  ['turso-edge: createPlatform', `export { createPlatform } from '../../src/index.ts'`],
  ['turso-edge: everything', `export * from '../../src/index.ts'`],
]

/** The official client of the Platform API, which is not in any race. */
const PLATFORM_PEER = ['@tursodatabase/api', `export * from '@tursodatabase/api'`] as const

export async function measureSizes(): Promise<Size[]> {
  const libraries = CONTESTANTS.flatMap(({ name, library }) =>
    library === undefined || name === 'turso-edge' ? [] : [[name, library] as const],
  )
  return await Promise.all(
    [...PARTS, PLATFORM_PEER, ...libraries].map(async ([name, library]) => {
      const code = Buffer.from(await bundle(library, { minify: true }))
      return { name, minified: code.byteLength, gzipped: gzipSync(code, { level: 9 }).byteLength }
    }),
  )
}

/** What a bundler makes of `turso-edge/drizzle`, which is there for what it leaves out. */
import path from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '../..')

/** Packages in the bundle of a module that uses these names, and its bytes. */
async function bundle(contents: string): Promise<{ packages: Set<string>; bytes: number }> {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    write: false,
    metafile: true,
  })
  const names = Object.keys(metafile.inputs).flatMap(
    (file) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? [],
  )
  return { packages: new Set(names), bytes: outputFiles[0]!.contents.length }
}

test('turso-edge/drizzle brings nothing along but drizzle-orm', async () => {
  const ours = await bundle(`export { drizzle } from './src/drizzle/index.ts'`)
  expect([...ours.packages]).toEqual(['drizzle-orm'])
  const theirs = await bundle(`
    export { drizzle } from 'drizzle-orm/libsql'
    export { createClient } from './src/libsql/index.ts'
  `)
  // The reason why it exists; should this fail, it can go.
  expect(theirs.packages).toContain('@libsql/hrana-client')
  expect(ours.bytes).toBeLessThan(theirs.bytes)
})

test('turso-edge/libsql brings nothing along', async () => {
  const { packages } = await bundle(`export { createClient } from './src/libsql/index.ts'`)
  expect([...packages]).toEqual([])
})

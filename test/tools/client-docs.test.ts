/** The examples of docs/client.md run, in their order, and print what they say. */
import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { formatWithOptions } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as mini from 'zod/mini'
import { createLocalTurso, type LocalTurso } from '../../local/index.ts'
import * as library from '../../src/index.ts'

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>

const MODULES: Record<string, Record<string, unknown>> = { 'turso-edge': library, 'zod/mini': mini }

const text = await readFile(path.join(import.meta.dirname, '../../docs/client.md'), 'utf8')
const blocks = [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1]!)

/** What a block says that it prints: the comments behind its calls of `console.log`. */
const promised = (block: string): string[] =>
  [...block.matchAll(/^\s*console\.log\(.*\) \/\/ (.*)$/gm)].map((match) => match[1]!)

let turso: LocalTurso
/** What the text around the examples has introduced. */
let names: Record<string, unknown>

/** As much of a tracer as an example needs. */
function createTracer(): unknown {
  const finished: { attributes: Record<string, unknown> }[] = []
  return {
    finished,
    startSpan: (_: string, attributes: Record<string, unknown>) => ({
      setAttributes: (more: Record<string, unknown>) => Object.assign(attributes, more),
      recordException: () => undefined,
      end: () => finished.push({ attributes }),
    }),
  }
}

beforeAll(async () => {
  turso = createLocalTurso()
  const fetch: library.Fetch = (url, init) => turso.fetch(new Request(url, init))
  const platform = library.createPlatform({ token: 'local-platform-token', organization: 'local', fetch })
  const { hostname } = await platform.databases.create('manual', { location: 'aws-eu-west-1' })
  const authToken = await platform.databases.createToken('manual')
  const url = `libsql://${hostname}`
  const connect = (options: library.ConnectOptions): library.Database =>
    library.connect({ ...options, fetch })
  MODULES['turso-edge'] = { ...library, connect }
  const readSecret = (): Promise<{ token: string }> => Promise.resolve({ token: authToken })
  names = { url, authToken, readSecret, tracer: createTracer(), db: connect({ url, authToken }) }
})
afterAll(() => turso.close())

/** The names that a block imports, without those that are types alone. */
function importsOf(block: string): Record<string, unknown> {
  const imported: Record<string, unknown> = {}
  for (const [, clause = '', from = ''] of block.matchAll(/^import (.*) from '(.*)'$/gm)) {
    const module = MODULES[from]
    expect(Object.keys(MODULES)).toContain(from)
    const namespace = /^\* as (\w+)$/.exec(clause)?.[1]
    if (namespace !== undefined) imported[namespace] = module
    else
      for (const name of clause.replaceAll(/[{}]/g, '').split(','))
        if (!name.trim().startsWith('type ')) imported[name.trim()] = module![name.trim()]
  }
  expect(Object.entries(imported).filter(([, value]) => value === undefined)).toEqual([])
  return imported
}

test('there are examples', () => {
  expect(blocks.length).toBeGreaterThan(15)
})

test.each(blocks.map((block, index) => ({ index, block, title: block.trim().split('\n').at(-1)! })))(
  'example $index runs, and prints what it says: $title',
  async ({ block }) => {
    const printed: string[] = []
    const print = (...values: unknown[]): void => {
      printed.push(formatWithOptions({ breakLength: Infinity }, ...values))
    }
    const body = stripTypeScriptTypes(`async () => {${block.replaceAll(/^import .*$/gm, '')}}`)
    const own = new Set([...block.matchAll(/^const (\w+) = connect/gm)].map((match) => match[1]!))
    const scope = { ...names, ...importsOf(block), console: { log: print } }
    const usable = Object.entries(scope).filter(([name]) => !own.has(name))
    const run = new AsyncFunction(...usable.map(([name]) => name), `await (${body})()`)
    await run(...usable.map(([, value]) => value))
    expect(printed).toEqual(promised(block))
    expect(turso.streams()).toEqual([])
  },
)

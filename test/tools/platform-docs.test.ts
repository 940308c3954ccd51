/** The examples of docs/platform.md are one program, which prints what they say. */
import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import path from 'node:path'
import { formatWithOptions } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { createLocalTurso } from '../../local/index.ts'
import * as library from '../../src/index.ts'

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>

test('the examples run, and print what they say', async () => {
  const text = await readFile(path.join(import.meta.dirname, '../../docs/platform.md'), 'utf8')
  const program = [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1]!).join('\n')
  const promised = [...program.matchAll(/^console\.log\(.*\) \/\/ (.*)$/gm)].map((match) => match[1]!)
  expect(promised.length).toBeGreaterThan(4)

  const turso = createLocalTurso()
  onTestFinished(turso.close)
  const printed: string[] = []
  const scope = {
    ...library,
    fetch: (url: string, init: RequestInit) => turso.fetch(new Request(url, init)),
    console: {
      log: (...values: unknown[]) =>
        void printed.push(formatWithOptions({ breakLength: Infinity }, ...values)),
    },
  }
  const imported = [...program.matchAll(/^import \{ (.*) \} from 'turso-edge'$/gm)].flatMap((match) =>
    match[1]!.split(', '),
  )
  expect(imported.filter((name) => !(name in library))).toEqual([])
  const body = stripTypeScriptTypes(`async () => {${program.replaceAll(/^import .*$/gm, '')}}`)
  const names = [...imported, 'fetch', 'console'] as (keyof typeof scope)[]
  await new AsyncFunction(...names, `await (${body})()`)(...names.map((name) => scope[name]))
  expect(printed).toEqual(promised)
})

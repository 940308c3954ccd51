import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect, createPlatform, isTursoError, sql, type PlatformOptions } from '../../src/index.ts'
import { createClient } from '../../src/libsql/index.ts'
import { signUp, startStack, type RunningStack, type Signup } from './worker-and-turso.ts'

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>

let stack: RunningStack
let blocks: string[]

beforeAll(async () => {
  stack = await startStack()
  const readme = await readFile(path.join(import.meta.dirname, '../../README.md'), 'utf8')
  blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
})
afterAll(() => stack.close())

/** Runs a block as it stands, with its imports and the names that the text around it has introduced. */
async function run(block: string, names: Record<string, unknown>, result = ''): Promise<unknown> {
  const imports = [...block.matchAll(/^import \{(.*)\} from 'turso-edge(?:\/libsql)?'$/gm)].flatMap((match) =>
    match[1]!.split(',').map((name) => name.trim()),
  )
  const library: Record<string, unknown> = {
    connect,
    createClient,
    isTursoError,
    sql,
    // The README's reader has an organization at Turso; here it is the local one.
    createPlatform: (options: PlatformOptions) =>
      createPlatform({ ...options, organization: 'local', baseUrl: stack.tursoUrl }),
  }
  const scope = { ...Object.fromEntries(imports.map((name) => [name, library[name]])), ...names }
  expect(Object.values(scope)).not.toContain(undefined)
  const body = block
    .replaceAll(/^import .*$/gm, '')
    .replaceAll('http://127.0.0.1:8787', stack.url)
    .replaceAll('dev-key', 'signup-key')
  return await new AsyncFunction(...Object.keys(scope), `${body}\n${result}`)(...Object.values(scope))
}

const database = ({ database, token }: Signup): Record<string, unknown> => ({ database, token })

test('the examples of the README run as they stand', async () => {
  expect(blocks).toHaveLength(6)
  expect(await run(blocks[0]!, {}, 'return rows')).toEqual([{ id: 1, title: 'hello' }])
  const names = database(await signUp(stack, 'readme'))
  await run(blocks[1]!, names)
  const titles = await run(
    "import { connect } from 'turso-edge'",
    names,
    "return (await connect({ url: database.http_url, authToken: token.jwt }).execute('select title from notes')).rows",
  )
  expect(titles).toEqual([{ title: 'both' }, { title: 'or none' }])
  await run(blocks[2]!, names)
  expect(
    await run(
      "import { connect } from 'turso-edge'",
      names,
      "return (await connect({ url: database.http_url, authToken: token.jwt }).execute('select count(*) as n from notes')).rows",
    ),
  ).toEqual([{ n: 3 }])
  const said: unknown[] = []
  const console = { log: (...words: unknown[]) => said.push(words) }
  await run(blocks[3]!, { ...names, console })
  expect(said).toEqual([['both'], ['or none'], ['note 2']])
  await run(blocks[4]!, { ...names, console })
  expect(said.at(-1)).toEqual(['both', 'both'])
  await run(blocks[5]!, { platformToken: 'local-platform-token' })
})

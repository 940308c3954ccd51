import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createPlatform } from '../../src/index.ts'
import { PEERS } from '../../tools/platform/peers.ts'
import { methodsWithEndpoint, withTables } from '../../tools/platform/tables.ts'

const root = path.join(import.meta.dirname, '../..')

test('the tables of docs/platform.md are what the endpoints say', async () => {
  const document = await readFile(path.join(root, 'docs/platform.md'), 'utf8')
  expect(withTables(document)).toBe(document)
  expect(() => withTables('# Nothing')).toThrow(/has no place for the table "endpoints"/)
})

test('every method of the client is in the table', () => {
  const turso = createPlatform({ token: 't', organization: 'o' })
  const methods = Object.entries(turso).flatMap(([resource, methodsOf]) =>
    typeof methodsOf === 'function' ? [] : Object.keys(methodsOf).map((method) => `${resource}.${method}`),
  )
  expect([...methods, 'uploadDatabase'].toSorted()).toEqual(Object.keys(PEERS).toSorted())
  expect(methodsWithEndpoint().every((method) => methods.includes(method))).toBe(true)
})

test('a method that others call something else says so (turso-docs#246)', async () => {
  for (const resource of ['databases', 'groups']) {
    expect(PEERS[`${resource}.invalidateTokens`]?.official).toBe(`${resource}.rotateTokens`)
    const source = await readFile(path.join(root, `src/platform/${resource}.ts`), 'utf8')
    const [, docstring] = /\/\*\*((?:(?!\*\/)[^])*)\*\/\n {2}invalidateTokens\(/.exec(source) ?? []
    expect(docstring).toContain('`rotateTokens`')
  }
})

test('what is not in the reference of the API is marked as experimental, and nothing else is', async () => {
  const files = [
    'databases',
    'groups',
    'locations',
    'organizations',
    'api-tokens',
    'key-sets',
    'members',
    'audit-logs',
    'user',
  ]
  const experimental = new Set<string>()
  for (const file of files) {
    const source = await readFile(path.join(root, `src/platform/${file}.ts`), 'utf8')
    // A whole resource, or one method.
    for (const [, comment = '', resource = '', body = ''] of source.matchAll(
      /(\/\*\*(?:(?!\*\/)[^])*\*\/)\nexport interface (\w+) \{\n([^]*?)\n\}/g,
    )) {
      const name = resource === 'KeySets' ? 'jwks' : resource[0]!.toLowerCase() + resource.slice(1)
      for (const [, of = '', method = ''] of body.matchAll(/(\/\*\*(?:(?!\*\/)[^])*\*\/)\n {2}(\w+)\(/g))
        if (/@experimental/.test(comment + of)) experimental.add(`${name}.${method}`)
    }
  }
  const undocumented = Object.keys(PEERS).filter((method) => PEERS[method]?.evidence !== undefined)
  expect([...experimental].toSorted()).toEqual(undocumented.toSorted())
})

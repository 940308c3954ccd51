/** Who imports one resource of the Platform API gets no other. */
import path from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { endpointOf, methodsWithEndpoint } from '../../tools/platform/tables.ts'

async function bundleOf(name: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${name} } from './src/index.ts'`,
      resolveDir: path.join(import.meta.dirname, '../..'),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  return outputFiles[0]!.text
}

const RESOURCES = [...new Set(methodsWithEndpoint().map((method) => method.split('.')[0]!))]
const creatorOf = (resource: string): string =>
  `create${resource[0]!.toUpperCase()}${resource.slice(1)}Client`

const routesOf = (methods: readonly string[]): Set<string> =>
  new Set(methods.map((method) => endpointOf(method)!.route))

test.each(RESOURCES)('a bundle with %s has the routes of no other resource', async (resource) => {
  const text = await bundleOf(creatorOf(resource))
  const found = [...text.matchAll(/["`]((?:GET|POST|PUT|PATCH|DELETE) [^"`]+)["`]/g)].map(
    ([, route]) => route!,
  )
  const own = routesOf(methodsWithEndpoint().filter((method) => method.startsWith(`${resource}.`)))
  // Ids of organizations are looked up for every resource, and databases make their group.
  const shared = routesOf(['organizations.retrieve', ...(resource === 'databases' ? ['groups.create'] : [])])
  expect(new Set(found)).toEqual(new Set([...own, ...shared]))
})

test('all of them together are in the bundle of the platform', async () => {
  const text = await bundleOf('createPlatform')
  const missing = [...routesOf(methodsWithEndpoint())].filter((route) => !text.includes(`"${route}"`))
  expect(missing).toEqual([])
})

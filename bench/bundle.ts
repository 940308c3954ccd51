/** Clients as one file each, as a bundler gives them to a Worker: the same file is measured in both runtimes. */
import path from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'

const OPTIONS = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['node:*'],
  write: false,
  logLevel: 'error',
} as const satisfies BuildOptions

/**
 * @param entry the text of a module, whose imports are seen from `bench/clients`
 * @param options `client`: the text of the module that it imports as `client`
 * @returns the text of a module without imports
 */
export async function bundle(
  entry: string,
  { minify = false, client }: { minify?: boolean; client?: string } = {},
): Promise<string> {
  const resolveDir = path.join(import.meta.dirname, 'clients')
  const { outputFiles } = await build({
    ...OPTIONS,
    minify,
    stdin: { contents: entry, loader: 'ts', resolveDir },
    plugins: client === undefined ? [] : [virtualModule('client', client, resolveDir)],
  })
  return outputFiles[0]!.text
}

function virtualModule(name: string, contents: string, resolveDir: string): Plugin {
  return {
    name,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${name}$`) }, () => ({ path: name, namespace: name }))
      build.onLoad({ filter: /.*/, namespace: name }, () => ({ contents, loader: 'ts', resolveDir }))
    },
  }
}

/** The Worker in one file, as it is deployed, or with other source here and there. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { build, type Plugin } from 'esbuild'

export interface SourceChange {
  file: string
  /** What the file has, once. */
  from: string
  to: string
}

const root = path.join(import.meta.dirname, '../../..')

export async function bundle(
  main: string,
  outfile: string,
  changes: readonly SourceChange[] = [],
): Promise<void> {
  await build({
    entryPoints: [path.join(root, main)],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*'],
    plugins: [withChanges(changes)],
  })
}

/** Of `worker/limits.ts`. */
export async function changesOfLimits(limits: Readonly<Record<string, number>>): Promise<SourceChange[]> {
  const file = 'worker/limits.ts'
  const source = await readFile(path.join(root, file), 'utf8')
  return Object.entries(limits).map(([name, value]) => {
    const declaration = new RegExp(`^export const ${name} = .*$`, 'm').exec(source)
    if (declaration === null) throw new Error(`${file} has no ${name}`)
    return { file, from: declaration[0], to: `export const ${name} = ${value}` }
  })
}

/** Takes no change for made that is not. */
function withChanges(changes: readonly SourceChange[]): Plugin {
  return {
    name: 'changes',
    setup(bundling) {
      const left = new Set(changes)
      bundling.onLoad({ filter: /\/worker\/.*\.ts$/ }, async ({ path: file }) => {
        let contents = await readFile(file, 'utf8')
        for (const change of changes) {
          if (path.join(root, change.file) !== file) continue
          if (contents.split(change.from).length !== 2)
            throw new Error(`${change.file} has not once: ${change.from}`)
          contents = contents.replace(change.from, () => change.to)
          left.delete(change)
        }
        return { contents, loader: 'ts' }
      })
      bundling.onEnd(() => {
        for (const { file } of left) throw new Error(`${file} is not part of the Worker`)
      })
    },
  }
}

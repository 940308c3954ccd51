// What the package lets others import, as package.json says it. Every check of the package goes by this.

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod/mini'

const root = path.join(import.meta.dirname, '../..')

export interface PublicModule {
  /** As in an import: `turso-edge/local`. */
  readonly specifier: string
  /** The published declarations and code, relative to the package. */
  readonly types: string
  readonly code: string
  /** The file behind both, relative to the repository. */
  readonly source: string
  /** Whether it uses Node, as the local Turso does; all others run on web APIs alone. */
  readonly needsNode: boolean
}

export interface PublicPackage {
  readonly name: string
  readonly modules: readonly PublicModule[]
  /** Packages that a user brings along. */
  readonly peers: readonly string[]
}

const Manifest = z.object({
  name: z.string(),
  peerDependencies: z.optional(z.record(z.string(), z.string())),
  exports: z.record(z.string(), z.union([z.string(), z.object({ types: z.string(), default: z.string() })])),
})

export async function readPublicPackage(): Promise<PublicPackage> {
  const manifest = Manifest.parse(JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')))
  const modules = Object.entries(manifest.exports).flatMap(([subpath, target]) => {
    if (typeof target === 'string') return []
    const source = target.default.replace(/^\.\/dist\/(.*)\.js$/, '$1.ts')
    return [
      {
        specifier: path.posix.join(manifest.name, subpath),
        types: path.posix.normalize(target.types),
        code: path.posix.normalize(target.default),
        source,
        needsNode: !source.startsWith('src/'),
      },
    ]
  })
  return { name: manifest.name, modules, peers: Object.keys(manifest.peerDependencies ?? {}) }
}

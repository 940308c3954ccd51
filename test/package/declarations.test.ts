/** The published types, in projects that are stricter than most and know of one runtime only. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readPublicPackage, type PublicPackage } from '../../tools/package/public-modules.ts'
import { ambientNames } from './ambient-names.ts'
import { copyInto, createConsumer, type Consumer } from './consumer.ts'

let consumer: Consumer
let library: PublicPackage
/** Where the published files are. */
let published: string

beforeAll(async () => {
  consumer = await createConsumer()
  library = await readPublicPackage()
  published = path.join(consumer.folder, 'node_modules', library.name)
  await copyInto(consumer, 'test/types')
  const others = ['@types/node', 'undici-types', '@cloudflare/workers-types', 'valibot', 'zod']
  for (const name of [...others, ...library.peers]) await consumer.provide(name)
}, 600_000)
afterAll(() => consumer.remove())

const DISPOSABLE = 'lib.esnext.disposable.d.ts'

const STRICT: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
}

/** Parsed files by the way in which modules are found, on which it depends what a file is parsed as. */
const parsed = new Map<ts.ModuleResolutionKind | undefined, Map<string, ts.SourceFile | undefined>>()

function createProgram(files: readonly string[], changes: ts.CompilerOptions): ts.Program {
  const options = { ...STRICT, ...changes }
  const host = ts.createCompilerHost(options)
  host.getCurrentDirectory = () => consumer.folder
  const known = parsed.get(options.moduleResolution) ?? new Map<string, ts.SourceFile | undefined>()
  parsed.set(options.moduleResolution, known)
  const getSourceFile = host.getSourceFile.bind(host)
  host.getSourceFile = (name, ...how) => {
    if (!known.has(name)) known.set(name, getSourceFile(name, ...how))
    return known.get(name)
  }
  return ts.createProgram(files, options, host)
}

/** What the compiler has against our files, declarations too; those of others may not be right everywhere. */
function complaints(program: ts.Program): string[] {
  const ours = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(`${published}/`) || isOfProject(fileName))
  const diagnostics = ours.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ])
  return [...program.getOptionsDiagnostics(), ...program.getGlobalDiagnostics(), ...diagnostics].map(
    (diagnostic) => ts.formatDiagnostic(diagnostic, FORMAT).trim(),
  )
}

function isOfProject(file: string): boolean {
  return path.dirname(file) === consumer.folder
}

const FORMAT: ts.FormatDiagnosticsHost = {
  getCanonicalFileName: (name) => name,
  getCurrentDirectory: () => consumer.folder,
  getNewLine: () => '\n',
}

describe('the published types', () => {
  /** The files of test/types, which are named after what they are about. */
  async function typeTests({ withNode }: { withNode: boolean }): Promise<string[]> {
    const ofNode = library.modules.filter(({ needsNode }) => needsNode).map(({ specifier }) => specifier)
    const names = (await readdir(path.join(import.meta.dirname, '../types'))).filter(
      (name) => withNode || !ofNode.includes(`${library.name}/${path.parse(name).name}`),
    )
    return names.map((name) => path.join(consumer.folder, name))
  }

  // Beyond ES2022 only what `await using` needs, by a transaction's Symbol.asyncDispose; @types/node brings it along.
  test.each([
    ['Workers', { lib: ['lib.es2022.d.ts', DISPOSABLE], types: ['@cloudflare/workers-types'] }],
    ['browsers', { lib: ['lib.es2022.d.ts', DISPOSABLE, 'lib.dom.d.ts'], types: [] }],
    [
      'Node',
      {
        lib: ['lib.es2022.d.ts'],
        types: ['node'],
        module: ts.ModuleKind.NodeNext,
        moduleResolution: ts.ModuleResolutionKind.NodeNext,
      },
    ],
  ])('are right in a project that knows only %s', async (_, options) => {
    const files = await typeTests({ withNode: options.types.includes('node') })
    expect(complaints(createProgram(files, options))).toEqual([])
  })
})

test('the published types take no other globals for granted than these', () => {
  const names = Object.fromEntries(
    library.modules.map(({ specifier, types }) => {
      const options = { lib: ['lib.esnext.d.ts', 'lib.dom.d.ts'], types: ['node'] }
      const program = createProgram([path.join(published, types)], options)
      return [specifier, ambientNames(program, published)]
    }),
  )
  expect(names).toEqual({
    'turso-edge': ['AbortSignal', 'ReadableStream', 'Symbol.asyncDispose', 'Symbol.dispose'],
    'turso-edge/libsql': [],
    'turso-edge/drizzle': [],
    'turso-edge/local': ['AbortSignal', 'Request', 'Response', 'URLSearchParams'],
  })
})

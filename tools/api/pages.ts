// Which page of the reference a declaration is on: the main module has a page for each concept, others have one page.

import path from 'node:path'
import {
  Comment,
  DeclarationReflection,
  ReflectionKind,
  type ProjectReflection,
  type Reflection,
} from 'typedoc'
import type { PublicPackage } from '../package/public-modules.ts'

interface Page {
  readonly name: string
  readonly title: string
  readonly about: string
  /** The files that declare what is on it; the first page has all the rest. */
  readonly files?: RegExp
}

const PAGES_OF_THE_MAIN_MODULE: readonly [Page, ...Page[]] = [
  {
    name: 'queries',
    title: 'Queries',
    about: '`connect`: statements, batches and transactions.',
  },
  {
    name: 'fragments',
    title: 'SQL fragments',
    about: 'The `sql` tag: statements as values that nest.',
    files: /^src\/sql\b/,
  },
  {
    name: 'results',
    title: 'Results and values',
    about: 'Rows and their schemas, what can be bound, and how integers come back.',
    files: /^src\/(schema|hrana\/(result|value))\b/,
  },
  {
    name: 'errors',
    title: 'Errors',
    about: 'What went wrong, and what that leaves of a statement.',
    files: /^src\/(errors|hrana\/dead-stream)\b/,
  },
  {
    name: 'platform',
    title: 'Platform API',
    about: '`createPlatform`: databases, groups and tokens.',
    files: /^src\/(platform|path)\b/,
  },
  {
    name: 'tenants',
    title: 'Tenants',
    about: "The types of the Worker's service binding.",
    files: /^src\/tenants\b/,
  },
  {
    name: 'http',
    title: 'HTTP',
    about:
      'What all calls have in common: how long they may take, and by which `fetch` they go, and who is told of them.',
    files: /^src\/(http|url|hrana\/(url|target))\b/,
  },
  {
    name: 'protocol',
    title: 'Protocol',
    about: 'What goes over the wire, for `Stream.send`.',
    files: /^src\/hrana\/wire\b/,
  },
]

/** Of the page with this name. */
export function titleOf(name: string): string {
  return PAGES_OF_THE_MAIN_MODULE.find((page) => page.name === name)?.title ?? name
}

/** Gives every module of the project its page, or its pages. */
export function arrangePages(project: ProjectReflection, root: string, library: PublicPackage): void {
  const sourceOf = (reflection: Reflection): string => {
    const file = project.getSymbolIdFromReflection(reflection as DeclarationReflection)?.fileName
    return file === undefined ? '' : path.relative(root, file)
  }
  for (const module of project.children?.slice() ?? []) {
    const { specifier } = library.modules.find(({ source }) => source === sourceOf(module)) ?? {}
    if (specifier === undefined) throw new Error(`${module.name} is none of the public modules`)
    if (specifier !== library.name) {
      module.name = specifier.slice(library.name.length + 1)
      module.comment ??= new Comment()
      module.comment.summary.unshift(...summary(`From \`${specifier}\`.`))
      continue
    }
    for (const declaration of module.children ?? []) {
      const source = sourceOf(declaration)
      const page =
        PAGES_OF_THE_MAIN_MODULE.find(({ files }) => files?.test(source)) ?? PAGES_OF_THE_MAIN_MODULE[0]
      move(declaration, pageModule(project, page, specifier))
    }
    // Of what has moved it takes nothing along.
    module.children = []
    project.removeReflection(module)
  }
  delete project.groups
  for (const page of project.children ?? []) sortByKind(page)
  const order = PAGES_OF_THE_MAIN_MODULE.map(({ name }) => name)
  const modules = library.modules.map(({ specifier }) => specifier.slice(library.name.length + 1))
  const positionOf = ({ name }: Reflection) => [...order, ...modules].indexOf(name)
  project.children?.sort((a, b) => positionOf(a) - positionOf(b))
}

function pageModule(
  project: ProjectReflection,
  { name, about }: Page,
  specifier: string,
): DeclarationReflection {
  const existing = project.children?.find((child) => child.name === name)
  if (existing) return existing
  const module = new DeclarationReflection(name, ReflectionKind.Module, project)
  module.comment = new Comment(summary(`${about} From \`${specifier}\`.`))
  project.registerReflection(module, undefined, undefined)
  project.addChild(module)
  return module
}

function move(declaration: DeclarationReflection, module: DeclarationReflection): void {
  declaration.parent = module
  module.addChild(declaration)
}

const KINDS = [
  ReflectionKind.Function,
  ReflectionKind.Variable,
  ReflectionKind.Class,
  ReflectionKind.Interface,
  ReflectionKind.TypeAlias,
]

/** What is called first, then what is given and what comes back. */
function sortByKind(module: DeclarationReflection): void {
  delete module.groups
  module.children?.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
}

function summary(text: string): { kind: 'text'; text: string }[] {
  return [{ kind: 'text', text }]
}

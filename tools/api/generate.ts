// The API reference, by typedoc, from the docstrings of the public modules.

import path from 'node:path'
import { Application, Converter, ReflectionKind, type Context, type ProjectReflection } from 'typedoc'
import { readPublicPackage } from '../package/public-modules.ts'
import { arrangePages, titleOf } from './pages.ts'
import { ReferenceTheme } from './theme.ts'

const root = path.join(import.meta.dirname, '../..')

/** Links are written as in the sources: to a name of the same module. */
const AFTER_LINKS_ARE_RESOLVED = -1_000

/** Throws when typedoc complains of anything; its complaints go to the console. */
export async function generateReference(folder: string): Promise<void> {
  const library = await readPublicPackage()
  const app = await Application.bootstrapWithPlugins({
    options: path.join(root, 'typedoc.json'),
    entryPoints: library.modules.map(({ source }) => path.join(root, source)),
    out: folder,
    logLevel: 'Warn',
  })
  app.renderer.defineTheme('reference', ReferenceTheme)
  app.options.setValue('theme', 'reference')
  app.options.setValue('pageTitleTemplates', { module: ({ name }: { name: string }) => titleOf(name) })
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }: Context) => {
    removeInherited(project)
    nameOptions(project)
    nameErrors(project)
  })
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }: Context) => arrangePages(project, root, library),
    AFTER_LINKS_ARE_RESOLVED,
  )
  const project = await app.convert()
  if (!project) throw new Error('typedoc could not read the sources')
  app.validate(project)
  requireSilence(app)
  await app.generateOutputs(project)
  // Only now is it known which names have a place that can be linked to.
  requireSilence(app)
}

function requireSilence({ logger }: Application): void {
  if (logger.hasErrors() || logger.hasWarnings()) throw new Error('the docstrings have the faults above')
}

/** Members are explained once, where they are declared, if that can be read here. */
function removeInherited(project: ProjectReflection): void {
  const owners = project.getReflectionsByKind(ReflectionKind.ClassOrInterface)
  const names = new Set(owners.map(({ name }) => name))
  for (const owner of owners)
    owner.traverse((member) => {
      const [parent] = (member.isDeclaration() && member.inheritedFrom?.name.split('.')) || []
      if (parent !== undefined && (names.has(parent) || member.kind === ReflectionKind.Constructor))
        project.removeReflection(member)
      return true
    })
}

/** A parameter that is taken apart at once has no name in the sources. */
function nameOptions(project: ProjectReflection): void {
  for (const parameter of project.getReflectionsByKind(ReflectionKind.Parameter))
    if (parameter.name === '__namedParameters') parameter.name = 'options'
}

/**
 * The type of `@throws {TypeError} for …` becomes part of the sentence, and a link if it is one of ours. Several are one
 * list.
 */
function nameErrors(project: ProjectReflection): void {
  const classes = new Set(project.getReflectionsByKind(ReflectionKind.Class).map(({ name }) => name))
  for (const { comment } of project.getReflectionsByKind(ReflectionKind.All)) {
    const tags = comment?.getTags('@throws') ?? []
    for (const { content, typeAnnotation } of tags) {
      const name = typeAnnotation?.replaceAll(/[{}]/g, '')
      if (name === undefined) continue
      content.unshift(
        classes.has(name)
          ? { kind: 'inline-tag', tag: '@link', text: name }
          : { kind: 'code', text: `\`${name}\`` },
        { kind: 'text', text: ' ' },
      )
    }
    const [first, ...others] = tags
    if (!comment || !first || others.length === 0) continue
    first.content = tags.flatMap(({ content }) => [{ kind: 'text', text: '\n- ' } as const, ...content])
    comment.blockTags = comment.blockTags.filter((tag) => !others.includes(tag))
  }
}

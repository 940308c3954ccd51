// How the reference looks. A function is one block of code with all of its overloads, and what its docstrings say below
// it: tables of parameters would say the same again.

import {
  ReflectionKind,
  UnionType,
  type DeclarationReflection,
  type Reflection,
  type SignatureReflection,
} from 'typedoc'
import { MarkdownTheme, type MarkdownPageEvent, type MarkdownThemeContext } from 'typedoc-plugin-markdown'

const FENCE = '```'

export class ReferenceTheme extends MarkdownTheme {
  override getRenderContext(page: MarkdownPageEvent<Reflection>): MarkdownThemeContext {
    const context = super.getRenderContext(page)
    const { partials } = context

    const codeOf = (signature: SignatureReflection): string =>
      partials.signatureTitle(signature).replace(`${FENCE}ts\n`, '').replace(`\n${FENCE}`, '')

    const explain = (signatures: readonly SignatureReflection[], headingLevel: number): string[] => [
      [FENCE + 'ts', ...signatures.map(codeOf), FENCE].join('\n'),
      ...signatures.flatMap((signature) => {
        const comment = signature.comment ?? (signatures.length === 1 ? signature.parent.comment : undefined)
        const parameters = (signature.parameters ?? []).filter((parameter) => parameter.comment)
        return [
          ...(comment ? [partials.comment(comment, { headingLevel, showTags: false })] : []),
          ...parameters.map(
            (parameter) => `- \`${parameter.name}\` ${partials.comment(parameter.comment!).trim()}`,
          ),
          ...(comment
            ? [partials.comment(comment, { headingLevel, showSummary: false, showReturns: true })]
            : []),
        ]
      }),
    ]

    partials.signatures = (model: DeclarationReflection, { headingLevel }) =>
      explain(model.signatures ?? [], headingLevel + 1).join('\n\n')
    partials.signature = (model, { headingLevel }) => explain([model], headingLevel).join('\n\n')
    const { declaration } = partials
    partials.declaration = (model, options) =>
      [declaration(model, options), ...explainMembers(context, model)].join('\n\n')
    const { memberWithGroups } = partials
    partials.memberWithGroups = (model, options) =>
      [...headOf(model), memberWithGroups(model, options)].join('\n\n')
    partials.inheritance = () => ''
    partials.hierarchy = (model) => {
      const parents = model.isTarget ? [] : model.types
      return parents.length > 0 ? `Extends ${parents.map((type) => partials.someType(type)).join(', ')}.` : ''
    }
    return context
  }
}

/** Of a union of literals, those that have a docstring of their own. */
function explainMembers(
  { partials, helpers }: MarkdownThemeContext,
  { type }: DeclarationReflection,
): string[] {
  if (!(type instanceof UnionType) || !type.elementSummaries) return []
  const { types, elementSummaries } = type
  const lines = types.flatMap((member, index) => {
    const summary = elementSummaries[index] ?? []
    return summary.length > 0 ? [`- ${partials.someType(member)}: ${helpers.getCommentParts(summary)}`] : []
  })
  return [lines.join('\n')]
}

/** A heading has no room for the parameters of a type. */
function headOf(model: DeclarationReflection): string[] {
  if (!model.typeParameters?.length || !model.kindOf(ReflectionKind.ClassOrInterface)) return []
  const parameters = model.typeParameters.map(
    ({ name, type, default: ifNone }) =>
      name + (type ? ` extends ${type.toString()}` : '') + (ifNone ? ` = ${ifNone.toString()}` : ''),
  )
  const keyword = model.kindOf(ReflectionKind.Class) ? 'class' : 'interface'
  return [`${FENCE}ts\n${keyword} ${model.name}<${parameters.join(', ')}>\n${FENCE}`]
}

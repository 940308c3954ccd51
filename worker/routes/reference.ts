/** The OpenAPI document as a page to read: one file, no script, nothing to load. Pure. */

/** As much of JSON Schema as the document uses. */
interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  format?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
}

interface Content {
  content?: Record<string, { schema?: Schema }>
}

interface Operation {
  summary: string
  security?: Record<string, string[]>[]
  parameters: { name: string; in: string; required: boolean; description: string }[]
  requestBody?: Content
  responses: Record<string, Content & { description: string }>
}

export interface OpenApi {
  info: { title: string; version: string; description: string }
  paths: Record<string, Record<string, unknown>>
  components: { schemas: Record<string, unknown> }
}

export const STYLE =
  ':root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}' +
  'h2{margin-top:2.5rem;font-size:1.1rem;border-top:1px solid #8886;padding-top:1rem}code,pre{font:14px/1.5 ui-monospace,monospace}' +
  'pre{overflow:auto;background:#8881;padding:.75rem}td{padding:.15rem 1rem .15rem 0;vertical-align:top}'

export function renderReference({ info, paths, components }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      renderOperation(`${method.toUpperCase()} ${path}`, operation as Operation),
    ),
  )
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `<h2 id="${name}">${name}</h2><pre>${shape(schema as Schema, '')}</pre>`,
  )
  const title = `${escape(info.title)} ${escape(info.version)}`
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>${title}</title><style>${STYLE}</style><h1>${title}</h1><p>${prose(info.description)}` +
    ` For programs: <a href="openapi.json">openapi.json</a>.</p>${operations.join('')}${schemas.join('')}</html>`
  )
}

function renderOperation(heading: string, operation: Operation): string {
  const { summary, security, parameters, requestBody, responses } = operation
  const rows = [
    ...parameters.map(({ name, in: place, required, description }) => [
      `<code>${escape(name)}</code> (${place}${required ? '' : ', optional'})`,
      prose(description),
    ]),
    ...Object.entries(responses).map(([status, { description, ...answer }]) => [
      `<b>${escape(status)}</b>`,
      prose(description) + bodyOf(answer),
    ]),
  ]
  const [scheme, scopes = []] = Object.entries(security?.[0] ?? {})[0] ?? []
  const auth =
    scheme === 'apiKey' ? `API key, scope ${scopes.join()}` : scheme && "A token of the tenant's database"
  return (
    `<h2><code>${escape(heading)}</code></h2><p>${prose(summary)}.${auth ? ` <em>${auth}</em>.` : ''}</p>` +
    bodyOf(requestBody ?? {}) +
    `<table>${rows.map(([name, what]) => `<tr><td>${name}<td>${what}`).join('')}</table>`
  )
}

function bodyOf({ content = {} }: Content): string {
  return Object.entries(content)
    .map(([type, { schema }]) => {
      if (type === 'application/problem+json' || schema === undefined) return ''
      return schema.$ref ? ` ${shape(schema, '')}` : `<pre>${shape(schema, '')}</pre>`
    })
    .join('')
}

/** A schema the way one would write an example of it down. */
function shape(schema: Schema, indent: string): string {
  const { $ref, properties, required = [], items, anyOf, type, format } = schema
  if ($ref !== undefined) {
    const name = escape($ref.slice($ref.lastIndexOf('/') + 1))
    return `<a href="#${name}">${name}</a>`
  }
  if (anyOf) return anyOf.map((one) => shape(one, indent)).join(' | ')
  if (items) return `[${shape(items, indent)}, …]`
  if (properties) {
    const inner = `${indent}  `
    const members = Object.entries(properties).map(
      ([name, member]) =>
        `${inner}"${escape(name)}"${required.includes(name) ? '' : '?'}: ${shape(member, inner)}`,
    )
    return `{\n${members.join(',\n')}\n${indent}}`
  }
  const choices = schema.enum ?? ('const' in schema ? [schema.const] : undefined)
  if (choices) return choices.map((choice) => escape(JSON.stringify(choice))).join(' | ')
  return escape(format ?? [type ?? 'any'].flat().join(' | '))
}

/** What stands between backticks is code. */
const prose = (text: string): string => escape(text).replaceAll(/`([^`]*)`/g, '<code>$1</code>')

const escape = (text: string): string =>
  text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

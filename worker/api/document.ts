/** The operations as an OpenAPI 3.1 document. Pure; run when the Worker is developed, not in it. */
import * as z from 'zod/mini'
import { PROBLEM_KINDS, type ProblemCode } from '../http/problem.ts'
import { hranaError, named, problem } from './answers.ts'
import { problemsOf, type Answer, type Operation, type Parameter } from './operation.ts'

type Json = Record<string, unknown>

export function createDocument(operations: readonly Operation[], version: string): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id })
  const uri = (id: string): string => `#/components/schemas/${id}`
  const schemaOf = (schema: z.ZodMiniType): Json => {
    const id = registry.get(schema)?.id
    if (id !== undefined) return { $ref: uri(id) }
    return bare(z.toJSONSchema(schema, { io: 'input' }))
  }
  const { schemas } = z.toJSONSchema(registry, { uri })
  const paths: Record<string, Json> = {}
  for (const operation of operations) {
    const path = (paths[templateOf(operation.path)] ??= {})
    path[operation.method] = describe(operation, schemaOf)
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'turso-edge',
      version,
      description:
        'Signs the tenants of a SaaS up, each with a Turso database of its own, and passes SQL on to them.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key; `admin` may do what `signup` may',
        },
        databaseToken: { type: 'http', scheme: 'bearer', description: "A token of the tenant's database" },
      },
      schemas: Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)])),
    },
  }
}

/** Without what the document says once for all schemas, or by their places. */
function bare(schema: object): Json {
  return Object.fromEntries(
    Object.entries(schema).filter(([name]) => !['$schema', '$id', 'id'].includes(name)),
  )
}

/** `/t/:tenant/:version{(?:v2|v3)}` as `/t/{tenant}/{version}`. */
export function templateOf(path: string): string {
  return path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, '{$1}')
}

function describe(operation: Operation, schemaOf: (schema: z.ZodMiniType) => Json): Json {
  const { id, summary, path, auth, parameters = {}, query = {}, headers = {}, body, answers } = operation
  const parameter = (place: string) => (entry: [string, Parameter]) => {
    const [name, { description, schema, isRequired = place === 'path' }] = entry
    return { name, in: place, description, required: isRequired, schema: schemaOf(schema) }
  }
  const inPath = [...path.matchAll(/:(\w+)(?:\{\(\?:([^)]*)\)\})?/g)].map(
    ([, name = '', choices]): [string, Parameter] => [
      name,
      parameters[name] ?? {
        description: choices === undefined ? 'Your own id of the tenant' : choices.replaceAll('|', ' or '),
        schema: choices === undefined ? z.string() : z.enum(choices.split('|')),
      },
    ],
  )
  return {
    operationId: id,
    summary,
    ...(auth === null
      ? {}
      : { security: [auth === 'database' ? { databaseToken: [] } : { apiKey: [auth] }] }),
    parameters: [
      ...inPath.map(parameter('path')),
      ...Object.entries(query).map(parameter('query')),
      ...Object.entries(headers).map(parameter('header')),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body) } } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, response(answer, schemaOf)]),
      ),
      ...(path.startsWith('/t/')
        ? {
            default: refusal(
              'Refused, by the database or on the way to it',
              'application/json',
              schemaOf(hranaError),
            ),
          }
        : problemResponses(problemsOf(operation), schemaOf(problem))),
    },
  }
}

function response(
  { description, schema, contentType = 'application/json', headers = {} }: Answer,
  schemaOf: (schema: z.ZodMiniType) => Json,
): Json {
  return {
    description,
    ...(Object.keys(headers).length === 0
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, description]) => [
              name,
              { description, schema: { type: 'string' } },
            ]),
          ),
        }),
    ...(contentType === null
      ? {}
      : { content: { [contentType]: schema === null ? {} : { schema: schemaOf(schema) } } }),
  }
}

const refusal = (description: string, contentType: string, schema: Json): Json => ({
  description,
  content: { [contentType]: { schema } },
})

/** One for each status, naming its codes. */
function problemResponses(codes: readonly ProblemCode[], schema: Json): Json {
  const byStatus = Map.groupBy(codes, (code) => PROBLEM_KINDS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const description = codes.map((code) => `\`${code}\`: ${PROBLEM_KINDS[code].title}`).join('; ')
      return [status, refusal(description, 'application/problem+json', schema)]
    }),
  )
}

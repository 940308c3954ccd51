/** What the documentation of a route consists of: data, of which no part is in the deployed Worker. */
import type * as z from 'zod/mini'
import type { Scope } from '../api-key.ts'
import type { ProblemCode } from '../http/problem.ts'

export interface Operation {
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** As the router has it. */
  path: string
  /** Unique; what generated clients call it. */
  id: string
  summary: string
  /** What the key must have; `database`: a token of the tenant's database; `null`: it needs none. */
  auth: Scope | 'database' | null
  /** Parameters in the path. */
  parameters?: Record<string, Parameter>
  query?: Record<string, Parameter>
  headers?: Record<string, Parameter>
  /** Of the body, which is JSON. */
  body?: z.ZodMiniType
  /** By status, what the route answers when it succeeds. */
  answers: Record<number, Answer>
  /** Problems of its own, besides {@link commonProblems}. Under `/t/` errors have another form, and none is listed. */
  problems?: readonly ProblemCode[]
}

export interface Parameter {
  description: string
  schema: z.ZodMiniType
  isRequired?: boolean
}

export interface Answer {
  description: string
  /** `null`: there is a body, and it is described elsewhere. */
  schema: z.ZodMiniType | null
  /** Default: `application/json`; `null`: there is no body. */
  contentType?: string | null
  headers?: Record<string, string>
}

/** Problems that a route may answer for what happens before it. */
export function commonProblems({ auth, parameters, query, body }: Operation): ProblemCode[] {
  const problems: ProblemCode[] = ['configuration', 'internal']
  if (auth !== null && auth !== 'database') problems.push('unauthorized', 'forbidden', 'rate_limited')
  if (parameters ?? query ?? body) problems.push('invalid_request')
  if (parameters) problems.push('overloaded')
  if (body) problems.push('payload_too_large', 'request_timeout', 'unsupported_encoding')
  return problems
}

export function problemsOf(operation: Operation): ProblemCode[] {
  return [...new Set([...commonProblems(operation), ...(operation.problems ?? [])])].toSorted()
}

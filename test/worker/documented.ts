/** Holds real answers to what the documentation of their route says. */
import * as z from 'zod/mini'
import { problem } from '../../worker/api/answers.ts'
import { problemsOf, type Operation } from '../../worker/api/operation.ts'
import { operations } from '../../worker/api/operations.ts'
import { PROBLEM_KINDS, type ProblemCode } from '../../worker/http/problem.ts'

const matchers = operations.map((operation) => ({
  operation,
  pattern: new RegExp(
    `^${operation.path.replaceAll(/:\w+(?:\{([^}]*)\})?/g, (_, choices?: string) => `(${choices ?? '[^/]+'})`)}$`,
  ),
}))

/**
 * @throws {Error} when the route does not document the status or the problem, or the body is not of its schema. What no
 *   route answers, such as a path that is not there, and streams of SQL are not looked at.
 */
export async function expectDocumented(method: string, path: string, response: Response): Promise<void> {
  const [pathname = ''] = path.split('?')
  const operation = matchers.find(
    ({ operation, pattern }) => operation.method === method.toLowerCase() && pattern.test(pathname),
  )?.operation
  if (operation === undefined || pathname.startsWith('/t/')) return
  const fault = await faultOf(operation, response)
  if (fault !== undefined)
    throw new Error(`${method} ${path} answered ${response.status}: ${fault} (worker/api/operations.ts)`)
}

async function faultOf(operation: Operation, response: Response): Promise<string | undefined> {
  const type = response.headers.get('content-type')?.split(';')[0]
  const answer = operation.answers[response.status]
  if (answer === undefined) {
    if (type !== 'application/problem+json') return 'the status is not documented'
    const body: unknown = await response.clone().json()
    const parsed = problem.safeParse(body)
    if (!parsed.success) return issuesOf(parsed.error)
    const { code, status } = parsed.data
    if (PROBLEM_KINDS[code as ProblemCode].status !== status) return `the status is not that of "${code}"`
    return problemsOf(operation).includes(code as ProblemCode) ? undefined : `"${code}" is not documented`
  }
  const { schema, contentType = 'application/json', headers = {} } = answer
  if (type !== contentType) return `the content type is not ${contentType}`
  for (const name of Object.keys(headers))
    if (!response.headers.has(name) && name !== 'idempotency-replayed')
      return `the header "${name}" is missing`
  if (schema === null) return undefined
  const parsed = z.safeParse(schema, await response.clone().json())
  return parsed.success ? undefined : issuesOf(parsed.error)
}

/** The schemas have no words of their own for what is wrong. */
function issuesOf({ issues }: z.core.$ZodError): string {
  return issues
    .map((issue) => [...issue.path, issue.code, ...('keys' in issue ? issue.keys : [])].map(String).join(' '))
    .join('; ')
}

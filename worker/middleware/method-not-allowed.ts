/** Answers what a path does not do. Mounted behind the methods that it does. */
import type { Handler } from 'hono'
import type { AppEnvironment } from '../environment.ts'
import { Problem } from '../http/problem.ts'

export const methodNotAllowed =
  (...allowed: string[]): Handler<AppEnvironment> =>
  (c) => {
    throw new Problem(
      'method_not_allowed',
      `${c.req.method} is not possible here; allowed: ${allowed.join(', ')}`,
      {
        headers: { allow: allowed.join(', ') },
      },
    )
  }

/** Who is calling, and whether the key may do this. */
import { createMiddleware } from 'hono/factory'
import { findApiKey, hasScope, type Scope } from '../api-key.ts'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import { isMistyped } from '../key-checksum.ts'
import { Problem } from '../http/problem.ts'
import { countWrong, limitKey, refuseShutOut } from './limit-rate.ts'

/** Longer than any key, short enough not to hash a megabyte for a stranger. */
const MAX_KEY_CHARACTERS = 512

/** Lets a request pass whose `Authorization: Bearer …` is a known API key with the scope. */
export const authenticate = (scope: Scope) =>
  createMiddleware<AppEnvironment>(async function authenticate(c, next) {
    const { apiKeys } = readConfiguration(c.env)
    const header = c.req.header('authorization')
    if (header === undefined)
      throw unauthorized('The request has no Authorization header: send "Bearer <API key>"')
    const presented = /^Bearer +([\x21-\x7e]+) *$/i.exec(header)?.[1]
    if (presented === undefined || presented.length > MAX_KEY_CHARACTERS)
      throw unauthorized('The Authorization header is not of the form "Bearer <API key>"')
    refuseShutOut(c, 'wrong_key')
    const key = isMistyped(presented) ? undefined : await findApiKey(presented, apiKeys)
    if (key === undefined) {
      await countWrong(c, 'wrong_key')
      refuseShutOut(c, 'wrong_key')
      throw unauthorized(
        isMistyped(presented)
          ? 'The API key was mistyped or cut: its checksum does not match'
          : 'The API key is not known',
      )
    }
    await limitKey(c, key)
    if (!hasScope(key, scope)) throw new Problem('forbidden', `This needs a key with the scope "${scope}"`)
    c.set('apiKey', key)
    await next()
  })

function unauthorized(detail: string): Problem {
  return new Problem('unauthorized', detail, { headers: { 'www-authenticate': 'Bearer realm="turso-edge"' } })
}

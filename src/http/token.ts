/** Where tokens come from. */

/** A token, or what returns one: asked for the first request, and once more when the server has refused a token. */
export type AuthToken = string | (() => string | Promise<string>)

/** @param refused the token that a server answered 401 to, which is not given again if there is another */
export type TokenSource = (refused?: string) => string | undefined | Promise<string | undefined>

/**
 * Keeps the token itself but never a promise of it, which on Workers one request must not await for another: when
 * several need it at once, each asks.
 */
export function createTokenSource(authToken: AuthToken | undefined): TokenSource {
  if (typeof authToken !== 'function') return () => requireToken(authToken)
  let known: string | undefined
  return async (refused) => {
    if (known === undefined || known === refused) known = await authToken()
    return requireToken(known)
  }
}

/** Checked here because fetch would quote the whole header in its own error. */
function requireToken(token: string | undefined): string | undefined {
  if (token === undefined || (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token))) return token
  throw new TypeError('The token is empty or has characters that a header cannot carry')
}

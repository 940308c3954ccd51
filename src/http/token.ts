/** Where tokens come from. */

/** A token, or what returns one: asked for the first request, and once more when the server has refused a token. */
export type AuthToken = string | (() => string | Promise<string>)

/** @param refused the token that a server answered 401 to, which is not given again if there is another */
export type TokenSource = (refused?: string) => Promise<string | undefined>

/**
 * Keeps the token itself but never a promise of it, which on Workers one request must not await for another: when
 * several need it at once, each asks.
 */
export function createTokenSource(authToken: AuthToken | undefined): TokenSource {
  let known = typeof authToken === 'function' ? undefined : authToken
  return async (refused) => {
    if (typeof authToken === 'function' && (known === undefined || known === refused))
      known = await authToken()
    // Checked here because fetch would quote the whole header in its own error.
    if (known !== undefined && (typeof known !== 'string' || !/^[\x21-\x7e]+$/.test(known)))
      throw new TypeError('The token is empty or has characters that a header cannot carry')
    return known
  }
}

/** Which addresses are used: the one configured, and those that a server may send us to. */
import { parseHttpUrl } from '../url.ts'

const SCHEMES: Record<string, 'https:' | 'http:' | undefined> = {
  'libsql:': 'https:',
  'turso:': 'https:',
  'https:': 'https:',
  'http:': 'http:',
}

/**
 * The address that protocol paths are appended to, ending with a slash. A path in the URL is kept; `?tls=0` makes
 * `libsql:` mean plain HTTP, as `@libsql/client` has it.
 *
 * @throws {TypeError} for what is not a database URL, and for credentials, a fragment or other parameters in it, which
 *   would otherwise be dropped in silence
 */
export function parseDatabaseUrl(url: string): string {
  if (typeof url !== 'string' || !URL.canParse(url))
    throw new TypeError('"url" must be a database URL such as libsql://name-organization.turso.io')
  const [, scheme = '', rest = '', query = '', fragment = ''] =
    /^\s*([^:]+:)([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(url) ?? []
  const target = SCHEMES[scheme.toLowerCase()]
  if (target === undefined)
    throw new TypeError(`"url" has the scheme "${scheme}"; supported are libsql:, turso:, https: and http:`)
  const isPlain = target === 'http:' || (scheme.toLowerCase() === 'libsql:' && query === '?tls=0')
  if (query !== '' && query !== (isPlain ? '?tls=0' : '?tls=1'))
    throw new TypeError(`"url" may have no parameter but tls=1, or tls=0 with libsql: and http:`)
  // The scheme is swapped in the text, since only special schemes have a host that the URL standard parses and checks.
  const { href } = parseHttpUrl(`${isPlain ? 'http:' : 'https:'}${rest}${fragment}`, 'url')
  return href.endsWith('/') ? href : `${href}/`
}

/**
 * Whether a `base_url` that a server sent may be followed, token and all: inside the configured origin, or HTTPS at
 * the default port of a host that ends with one of the suffixes. The protocol limits it to nothing, which would let
 * one answer send the token anywhere.
 *
 * @param suffixes host name endings without the leading dot, such as `turso.io`
 */
export function isTrustedBaseUrl(
  baseUrl: string,
  configuredUrl: string,
  suffixes: readonly string[],
): boolean {
  if (!URL.canParse(baseUrl)) return false
  const { origin, protocol, hostname, port, username, password, href } = new URL(baseUrl)
  if (username || password || /[?#]/.test(href)) return false
  if (origin === new URL(configuredUrl).origin) return true
  return (
    protocol === 'https:' &&
    port === '' &&
    suffixes.some((suffix) => hostname.endsWith(`.${suffix.toLowerCase()}`))
  )
}

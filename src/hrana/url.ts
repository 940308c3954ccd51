/** Which addresses are used: the one configured, and those that a server may send us to. */

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
 * @throws {TypeError} for what is not a database URL, and for credentials or other parameters in it, which would
 *   otherwise be dropped in silence
 */
export function parseDatabaseUrl(url: string): string {
  if (typeof url !== 'string' || !URL.canParse(url))
    throw new TypeError('"url" must be a database URL such as libsql://name-organization.turso.io')
  // Only special schemes have a host that the URL standard parses and checks, so the scheme is swapped in the text.
  const scheme = url
    .trimStart()
    .slice(0, url.trimStart().indexOf(':') + 1)
    .toLowerCase()
  const target = SCHEMES[scheme]
  if (target === undefined)
    throw new TypeError(`"url" has the scheme "${scheme}"; supported are libsql:, turso:, https: and http:`)
  const parsed = new URL(target + url.trimStart().slice(scheme.length))
  if (parsed.username !== '' || parsed.password !== '')
    throw new TypeError('"url" carries credentials; pass the token as "authToken"')
  let plain = target === 'http:'
  for (const [name, value] of parsed.searchParams) {
    if (name !== 'tls' || (value !== '0' && value !== '1'))
      throw new TypeError(`"url" has the parameter "${name}"; only tls=0 and tls=1 are known there`)
    if (scheme === 'libsql:' && value === '0') plain = true
    else if ((value === '0') !== plain)
      throw new TypeError(`"url" says tls=${value} and ${scheme}, which contradict`)
  }
  const { host, pathname } = plain ? new URL(parsed.href.replace(/^https:/, 'http:')) : parsed
  return `${plain ? 'http' : 'https'}://${host}${pathname.endsWith('/') ? pathname : `${pathname}/`}`
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
  const { origin, protocol, hostname, port, username, password } = new URL(baseUrl)
  if (username !== '' || password !== '') return false
  if (origin === new URL(configuredUrl).origin) return true
  return (
    protocol === 'https:' &&
    port === '' &&
    suffixes.some((suffix) => hostname.endsWith(`.${suffix.toLowerCase()}`))
  )
}

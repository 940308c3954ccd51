/** Configuration as `@libsql/client` reads it → options of the core. */
import type { ConnectOptions } from '../database.ts'
import { LibsqlError } from './errors.ts'
import type { Config } from './types.ts'

/** Hosts are left to the core. */
const URL_PARTS = /^([a-z][a-z+.-]*):([^?#]*)(?:\?([^#]*))?(#.*)?$/is

/**
 * @throws {TypeError} for what is no configuration
 * @throws {LibsqlError} `URL_INVALID`, `URL_SCHEME_NOT_SUPPORTED`, `URL_PARAM_NOT_SUPPORTED` and
 *   `ENCRYPTION_KEY_NOT_SUPPORTED`
 */
export function toConnectOptions(config: Config): ConnectOptions {
  if (typeof config !== 'object' || config === null)
    throw new TypeError(
      `Expected client configuration as object, got ${config === null ? 'null' : typeof config}`,
    )
  const { url, tls, authToken } = readUrl(config)
  const { intMode = 'number', timeoutMs = Infinity, baseUrlSuffixes, waitUntil } = config
  if (!['number', 'bigint', 'string'].includes(intMode))
    throw new TypeError(
      `Invalid value for intMode, expected "number", "bigint" or "string", got ${JSON.stringify(intMode)}`,
    )
  if (config.encryptionKey !== undefined)
    throw new LibsqlError(
      '"encryptionKey" is for local files; the key of a database in Turso Cloud is "remoteEncryptionKey"',
      'ENCRYPTION_KEY_NOT_SUPPORTED',
    )
  return {
    url: `${tls ? 'https' : 'http'}:${url}`,
    // Headers drop the line end that a secret from a file may have.
    authToken: authToken?.trim() || undefined,
    intMode,
    timeoutMs,
    baseUrlSuffixes,
    waitUntil,
    fetch: config.fetch === undefined ? undefined : withRequest(config.fetch as FetchOfRequest),
    encryptionKey: config.remoteEncryptionKey,
  }
}

type Fetch = NonNullable<ConnectOptions['fetch']>
type FetchOfRequest = (request: Request) => ReturnType<Fetch>

/** Theirs is called with a `Request`, and what was written for it may ask for `request.url` or `request.headers`. */
function withRequest(fetch: FetchOfRequest): Fetch {
  if (typeof fetch !== 'function') throw new TypeError('"fetch" must be a function')
  return async (url, init) => await fetch(new Request(url, init))
}

interface UrlParts {
  /** Without the scheme and the parameters. */
  url: string
  tls: boolean
  authToken: string | undefined
}

function readUrl(config: Config): UrlParts {
  let { tls, authToken } = config
  const text = config.url === ':memory:' ? 'file::memory:' : config.url
  const [, name = '', url = '', query = '', fragment] = URL_PARTS.exec(text) ?? []
  const scheme = name.toLowerCase()
  if (scheme === '') throw invalid(`The URL ${JSON.stringify(text)} is not in a valid format`)
  if (!['libsql', 'turso', 'https', 'http'].includes(scheme))
    throw new LibsqlError(
      `The URL has the scheme "${scheme}:", but this client speaks HTTP only: ${ADVICE[scheme] ?? 'use "libsql:", "turso:", "https:" or "http:"'}`,
      'URL_SCHEME_NOT_SUPPORTED',
    )
  for (const [key, value] of new URLSearchParams(query)) {
    if (key === 'authToken') authToken = value
    else if (key !== 'tls')
      throw new LibsqlError(
        `Unsupported URL query parameter ${JSON.stringify(key)}`,
        'URL_PARAM_NOT_SUPPORTED',
      )
    else if (value === '0' || value === '1') tls = value === '1'
    else throw invalid(`The parameter "tls" of the URL must be 0 or 1, got ${JSON.stringify(value)}`)
  }
  if (fragment !== undefined) throw invalid('The URL has a fragment')
  if (!url.startsWith('//')) throw invalid(`A URL with the scheme "${scheme}:" needs a host behind "//"`)
  if (scheme === 'http' && tls) throw invalid('An "http:" URL cannot have TLS; use "https:" or "libsql:"')
  if (scheme === 'https' && tls === false) throw invalid('An "https:" URL cannot be without TLS; use "http:"')
  if (scheme !== 'http' && tls === false && !/:\d+(\/|$)/.test(url))
    throw invalid(`A "${scheme}:" URL without TLS must have a port`)
  return { url, tls: scheme !== 'http' && tls !== false, authToken }
}

const ADVICE: Record<string, string | undefined> = {
  wss: 'use "https:" or "libsql:" with the same host',
  ws: 'use "http:" with the same host',
  file: 'a local file needs @libsql/client itself; turso-edge/local serves files over HTTP',
}

const invalid = (message: string): LibsqlError => new LibsqlError(message, 'URL_INVALID')

/** The only place where variables and secrets are read. They are checked once, all together, at the first request. */
import { parseApiKeys, type ApiKey } from './api-key.ts'
import type { OptionalSecrets } from './environment.ts'
import { DAY_MS, DEFAULT_SESSION_LIMIT, DELETION_GRACE_MS } from './limits.ts'
import { MAX_ORGANIZATION_CHARACTERS, TENANT_ID } from './tenant-name.ts'

/** The budgets of `middleware/limit-rate.ts`. */
export type RateLimitName = 'signup' | 'admin' | 'wrong_key' | 'wrong_token' | 'upgrade'

export interface Configuration {
  organization: string
  group: string
  location: string
  apiUrl: string
  /** With `{hostname}` or `{name}` to fill in; ends with a slash. */
  databaseUrlTemplate: string
  baseUrlSuffixes: string[]
  platformToken: string
  apiKeys: ApiKey[]
  /** The first signs and seals; what the others have signed or sealed is still good. */
  batonKeys: readonly [Uint8Array<ArrayBuffer>, ...Uint8Array<ArrayBuffer>[]]
  /** Where the objects of sessions must stay; `null`: where it is fastest. */
  jurisdiction: DurableObjectJurisdiction | null
  /** `acme.<domain>` is the gateway of the tenant `acme`; `null`: by path only. */
  gatewayDomain: string | null
  sessionLimits: SessionLimits
  /** Where callers reach the Worker, without a slash at its end; `null`: where each request says. */
  publicUrl: string | null
  /** Databases that a signup may ask for a copy of. */
  templates: string[]
  /** For how long a deleted tenant can be restored. */
  deletionGraceMs: number
  /** What the rate-limit bindings are set to, which they do not tell themselves; only to be told to callers. */
  rateLimits: Partial<Record<RateLimitName, { quota: number; windowSeconds: number }>>
}

/** How many sessions of a tenant may hold a stream of its database at once. */
export interface SessionLimits {
  standard: number
  byTenant: ReadonlyMap<string, number>
}

/** A variable is missing or malformed. The message names it and never quotes the value of a secret. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly code = 'configuration'
}

const cache = new WeakMap<Env, Configuration>()

/** @throws {ConfigurationError} naming every variable that is missing or malformed */
export function readConfiguration(env: Env): Configuration {
  const known = cache.get(env)
  if (known) return known
  const faults: string[] = []

  function read<T>(
    variable: keyof Env | keyof OptionalSecrets,
    rule: string,
    parse: (text: string) => T | undefined,
    absent?: T,
  ): T {
    const text: unknown = (env as Env & OptionalSecrets)[variable]
    if (absent !== undefined && (text === undefined || text === '')) return absent
    const value = typeof text === 'string' && text.trim() !== '' ? parse(text.trim()) : undefined
    if (value === undefined)
      faults.push(`${variable} ${text === undefined || text === '' ? 'is missing' : 'is malformed'}: ${rule}`)
    // Never used: a fault ends in an exception below.
    return value as T
  }

  const configuration: Configuration = {
    organization: read(
      'TURSO_ORGANIZATION',
      `the slug of the Turso organization, at most ${MAX_ORGANIZATION_CHARACTERS} characters`,
      (text) => (text.length <= MAX_ORGANIZATION_CHARACTERS ? slug(text) : undefined),
    ),
    group: read('TURSO_GROUP', 'the name of the Turso group for new databases', slug),
    location: read('TURSO_LOCATION', 'a Turso location code such as aws-us-east-1', slug),
    apiUrl: read('TURSO_API_URL', 'an http(s) URL such as https://api.turso.tech', httpUrl),
    databaseUrlTemplate: read(
      'TURSO_DATABASE_URL',
      'an http(s) URL with {hostname} or {name} in it, such as https://{hostname}/',
      urlTemplate,
    ),
    baseUrlSuffixes: read(
      'BASE_URL_SUFFIXES',
      'host name endings separated by commas, such as turso.io',
      suffixes,
    ),
    platformToken: read('TURSO_PLATFORM_TOKEN', 'a Turso Platform API token (a secret)', headerValue),
    apiKeys: read(
      'API_KEYS',
      'comma-separated name:scope:sha256 entries made by `npm run key` (a secret)',
      parseApiKeys,
    ),
    batonKeys: [
      read('BATON_KEY', 'at least 32 random bytes in hex, as of `openssl rand -hex 32` (a secret)', hexKey),
      ...read('BATON_KEY_PREVIOUS', 'the BATON_KEY before the present one (a secret)', oneHexKey, []),
    ],
    jurisdiction: read('JURISDICTION', 'eu, us, fedramp or fedramp-high', jurisdiction, null),
    gatewayDomain: read(
      'GATEWAY_DOMAIN',
      'the domain below which each tenant has its host, such as db.example.com',
      (text) => (/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(text) ? text : undefined),
      null,
    ),
    sessionLimits: read(
      'SESSION_LIMITS',
      'a number, and others for some tenants: 100, acme=500, globex=20',
      sessionLimits,
      { standard: DEFAULT_SESSION_LIMIT, byTenant: new Map() },
    ),
    publicUrl: read(
      'PUBLIC_URL',
      'where the Worker is reached, such as https://tenants.example',
      origin,
      null,
    ),
    templates: read('TEMPLATES', 'names of databases, separated by commas', names, []),
    deletionGraceMs: read(
      'DELETION_GRACE_DAYS',
      'for how many days a deleted tenant can be restored, from 0 to 365',
      days,
      DELETION_GRACE_MS,
    ),
    rateLimits: read(
      'RATE_LIMIT_POLICY',
      'what the rate-limit bindings are set to, such as "signup";q=200;w=10, "admin";q=200;w=10',
      rateLimits,
      {},
    ),
  }
  if (faults.length > 0) throw new ConfigurationError(faults.join('; '))
  cache.set(env, configuration)
  return configuration
}

const slug = (text: string): string | undefined => (/^[a-z0-9][a-z0-9-]*$/.test(text) ? text : undefined)

function httpUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, username, password, href } = new URL(text)
  return /^https?:$/.test(protocol) && username + password === '' && !/[?#]/.test(href) ? text : undefined
}

function origin(text: string): string | undefined {
  const url = httpUrl(text)
  return url !== undefined && new URL(url).pathname === '/' ? new URL(url).origin : undefined
}

function names(text: string): string[] | undefined {
  const list = text.split(',').map((name) => name.trim())
  return list.every((name) => /^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) ? list : undefined
}

function days(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) <= 365 ? Number(text) * DAY_MS : undefined
}

function urlTemplate(text: string): string | undefined {
  if (!text.includes('{hostname}') && !text.includes('{name}')) return undefined
  const sample = text.replaceAll('{hostname}', 'host.example').replaceAll('{name}', 'name')
  if (httpUrl(sample) === undefined || /[{}?#]/.test(sample)) return undefined
  return text.endsWith('/') ? text : `${text}/`
}

function suffixes(text: string): string[] | undefined {
  const list = text.split(',').map((suffix) => suffix.trim().replace(/^\./, ''))
  return list.every((suffix) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(suffix)) ? list : undefined
}

function rateLimits(text: string): Configuration['rateLimits'] | undefined {
  const limits: Configuration['rateLimits'] = {}
  for (const policy of text.split(',')) {
    const match = /^"(signup|admin|wrong_key|wrong_token|upgrade)";q=(\d{1,9});w=(10|60)$/.exec(policy.trim())
    if (!match) return undefined
    limits[match[1] as RateLimitName] = { quota: Number(match[2]), windowSeconds: Number(match[3]) }
  }
  return limits
}

const headerValue = (text: string): string | undefined => (/^[\x21-\x7e]+$/.test(text) ? text : undefined)

function hexKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length < 64 || !/^([0-9a-f]{2})+$/i.test(text)) return undefined
  return Uint8Array.from(text.match(/../g)!, (byte) => Number.parseInt(byte, 16))
}

function oneHexKey(text: string): Uint8Array<ArrayBuffer>[] | undefined {
  const key = hexKey(text)
  return key === undefined ? undefined : [key]
}

const JURISDICTIONS: readonly DurableObjectJurisdiction[] = ['eu', 'us', 'fedramp', 'fedramp-high']

const jurisdiction = (text: string): DurableObjectJurisdiction | undefined =>
  JURISDICTIONS.find((known) => known === text)

function sessionLimits(text: string): SessionLimits | undefined {
  const byTenant = new Map<string, number>()
  let standard = DEFAULT_SESSION_LIMIT
  for (const entry of text.split(',')) {
    const match = /^(?:(.+)=)?([1-9]\d{0,5})$/.exec(entry.trim())
    if (!match) return undefined
    const [, tenant, limit] = match
    if (tenant === undefined) standard = Number(limit)
    else if (TENANT_ID.test(tenant)) byTenant.set(tenant, Number(limit))
    else return undefined
  }
  return { standard, byTenant }
}

/**
 * So many requests for each API key, and from each network so many wrong keys, wrong tokens and WebSockets, by
 * Cloudflare's rate-limit bindings. They count per location and only roughly: protection, not accounting. A binding that
 * is not there limits nothing.
 */
import type { Context } from 'hono'
import type { ApiKey } from '../api-key.ts'
import { readConfiguration, type RateLimitName } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import { LONGEST_RATE_LIMIT_WINDOW_MS, MAX_SHUT_OUT_NETWORKS } from '../limits.ts'
import { log } from '../log.ts'
import { Problem, retryAfter } from '../http/problem.ts'

/** @throws {Problem} `rate_limited` when the key has used up its budget */
export async function limitKey(c: Context<AppEnvironment>, { name, scope }: ApiKey): Promise<void> {
  // Keys of one name are one caller's, who is about to change them.
  const budget = scope === 'metrics' ? 'admin' : scope
  c.set('rateLimitPolicy', policyOf(c, budget))
  if (!(await isWithin(c.env, budget, name))) throw refused(c, budget, `The API key "${name}"`)
}

/** What is tried: API keys, or the tokens of a tenant, whose id comes with it. */
type Guess = ['wrong_key'] | ['wrong_token', tenantId: string]

/**
 * Networks that have tried too many keys or tokens, and until when this isolate looks at none from there, not even at a
 * right one: or the one guess in a million would be served like any other.
 */
const shutOut = new Map<string, number>()

/** Of a network from which a right token has come: an office, or a server that speaks for its users, is never shut out. */
const LET_IN = 0

/** @throws {Problem} `rate_limited` for a network that has tried too many */
export function refuseShutOut(c: Context<AppEnvironment>, ...guess: Guess): void {
  if ((shutOut.get(guesserOf(c, guess)) ?? LET_IN) > Date.now()) throw refused(c, guess[0], 'This network')
}

/** Shuts the network out when it has tried too many. */
export async function countWrong(c: Context<AppEnvironment>, ...guess: Guess): Promise<void> {
  const guesser = guesserOf(c, guess)
  const [name, tenant] = guess
  if (shutOut.get(guesser) === LET_IN || (await isWithin(c.env, name, guesser))) return
  log('warn', `too_many_${name}s`, { network: networkOf(c), tenant, request_id: c.get('requestId') })
  remember(guesser, Date.now() + windowMs(c, name))
}

export const countRight = (c: Context<AppEnvironment>, ...guess: Guess): void =>
  remember(guesserOf(c, guess), LET_IN)

function remember(guesser: string, until: number): void {
  const [oldest] = shutOut.keys()
  if (shutOut.size >= MAX_SHUT_OUT_NETWORKS && oldest !== undefined) shutOut.delete(oldest)
  shutOut.set(guesser, until)
}

const guesserOf = (c: Context<AppEnvironment>, guess: Guess): string => `${networkOf(c)} ${guess.join(' ')}`

/**
 * Before anything is known of who opens a WebSocket: each keeps an object for seconds, whether it ever says a token or not.
 *
 * @param tenantId `null` for those of all tenants that are not there
 * @throws {Problem} `rate_limited` for a network that opens too many of one tenant's
 */
export async function limitUpgrades(c: Context<AppEnvironment>, tenantId: string | null): Promise<void> {
  const key = `${networkOf(c)} ${tenantId ?? ''}`
  if (!(await isWithin(c.env, 'upgrade', key))) throw refused(c, 'upgrade', 'This network')
}

async function isWithin(env: Env, name: RateLimitName, key: string): Promise<boolean> {
  const bindings: Record<RateLimitName, RateLimit | undefined> = {
    signup: env.SIGNUP_LIMIT,
    admin: env.ADMIN_LIMIT,
    wrong_key: env.WRONG_KEY_LIMIT,
    wrong_token: env.WRONG_TOKEN_LIMIT,
    upgrade: env.UPGRADE_LIMIT,
  }
  return (await bindings[name]?.limit({ key }))?.success ?? true
}

/**
 * Of the draft's two headers (draft-ietf-httpapi-ratelimit-headers) `RateLimit` is sent only here: the binding does not
 * say how much is left, except when it is nothing. When the window began it does not say either, so the wait is a whole one.
 */
function refused(c: Context<AppEnvironment>, name: RateLimitName, who: string): Problem {
  const policy = policyOf(c, name)
  return new Problem('rate_limited', `${who} has sent too many requests`, {
    headers: {
      ...retryAfter(windowMs(c, name)),
      ratelimit: `"${name}";r=0`,
      ...(policy === null ? {} : { 'ratelimit-policy': policy }),
    },
    members: { 'violated-policies': [name] },
  })
}

/** `RateLimit-Policy`, as far as the operator has said what the bindings are set to. */
function policyOf(c: Context<AppEnvironment>, name: RateLimitName): string | null {
  const policy = readConfiguration(c.env).rateLimits[name]
  return policy === undefined ? null : `"${name}";q=${policy.quota};w=${policy.windowSeconds}`
}

function windowMs(c: Context<AppEnvironment>, name: RateLimitName): number {
  const policy = readConfiguration(c.env).rateLimits[name]
  return policy === undefined ? LONGEST_RATE_LIMIT_WINDOW_MS : policy.windowSeconds * 1000
}

/** What all other Workers' requests come from. Their zone, which Cloudflare tells, is who they are. */
const WORKERS_ADDRESS = '2a06:98c0:3600::103'

/** Who has a network of IPv6 has 2^64 addresses in it. */
function networkOf(c: Context<AppEnvironment>): string {
  const address = c.req.header('cf-connecting-ip') ?? 'unknown'
  if (address === WORKERS_ADDRESS) return `worker:${c.req.header('cf-worker') ?? 'unknown'}`
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':')
  const padding = tail === undefined ? [] : Array<string>(8).fill('0')
  return `${[...groups, ...padding].slice(0, 4).join(':')}::/64`
}

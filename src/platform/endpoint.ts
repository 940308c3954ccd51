/** An endpoint as data, and what makes a method of it. */
import { isTursoError, ProtocolError } from '../errors.ts'
import { path } from '../path.ts'
import type { Check } from './checks.ts'
import type { ById, Method, PlatformCall, PlatformCallOptions } from './call.ts'
import { fromWire, fromWireName, toWire, toWireName } from './names.ts'
import { isText, requireNames } from './options.ts'
import { createListing, type Page } from './pages.ts'

/** Parsed JSON that should be an object. Looked into freely: what is amiss with it ends as a {@link ProtocolError}. */
// oxlint-disable-next-line typescript/no-explicit-any -- every wrong step in it is caught, in `readAnswer`
export type Answer = Record<string, any>

/**
 * One endpoint. Its method takes the parts of the path that have a colon, then what `body` names, then an object with
 * all other members of the query or body, and the options of a call.
 */
export interface Endpoint {
  /** `:organization` and `:organizationId` are the client's, unless an option says otherwise; `:region` always is. */
  readonly route: `${Method} ${string}`
  /** Members of the body that are arguments, by their wire names, separated by spaces. */
  readonly body?: string
  /**
   * Options by our names, separated by spaces: of the query, and of the body. Others are refused, since without the one
   * that was meant the call would do more than it should. A GET takes any, all into the query: the API may know more of them
   * than this version.
   */
  readonly query?: string
  readonly options?: string
  readonly check?: Check
  /** The member of the answer that is the result, or how to find it. Without such a member it is the answer itself. Default: no result. */
  readonly answer?: string | ((answer: Answer) => unknown)
  /** Of the result: `name` must be a text, `?name` is `null` when it is absent, `!name` is `false` then. */
  readonly fields?: string
  /** The result is a list; by this name of the query in pages. */
  readonly list?: true | 'cursor' | 'page'
  /** Default: of a GET only. `false`: not even after a refusal that says it had no effect. */
  readonly isRepeatable?: boolean
  /** What a group-scoped token must be allowed to do. Absent when no such token can, or every one. */
  readonly scope?: string
}

/** The endpoints of a resource, by the names of its methods. */
export type Endpoints<Resource> = { readonly [Name in keyof Resource]: Endpoint }

/** What the endpoints of a client share. */
export interface EndpointContext {
  call: PlatformCall
  organization: string
  /** Who tells the closest location. */
  regionUrl: string
  /** By its id version 3 of the API knows an organization. */
  findOrganizationId(options: PlatformCallOptions): Promise<string>
}

const split = (names = ''): string[] => names.match(/\w+/g) ?? []

/** What the options of a method may be called; `undefined` for anything. */
export function optionsOf({ route, query, options }: Endpoint): string | undefined {
  if (route.startsWith('GET')) return undefined
  const known = [query, options, 'signal timeoutMs']
  if (/:organization/.test(route)) known.push('organization')
  if (/:organizationId/.test(route)) known.push('organizationId')
  return split(known.join(' ')).join(' ')
}

/** Methods out of endpoints. */
export function bind<Resource>(endpoints: Endpoints<Resource>, context: EndpointContext): Resource {
  return Object.fromEntries(
    Object.entries<Endpoint>(endpoints).map(([name, endpoint]) => [
      name,
      (...args: unknown[]) =>
        typeof endpoint.list !== 'string'
          ? run(endpoint, context, args)
          : createListing(
              (cursor, isWalk) => run(endpoint, context, args, cursor, isWalk) as Promise<Page<unknown>>,
            ),
    ]),
  ) as Resource
}

async function run(
  endpoint: Endpoint,
  context: EndpointContext,
  args: unknown[],
  cursor?: string,
  isWalk = false,
): Promise<unknown> {
  const { route, query: queryNames, list, isRepeatable, scope } = endpoint
  const [method, template] = route.split(' ') as [Method, string]
  const inPath = template.match(/:(?!organization|region)\w+/g) ?? []
  const inBody = split(endpoint.body)
  const options = args[inPath.length + inBody.length] ?? {}
  requireNames('The options', options, optionsOf(endpoint))
  const { signal, timeoutMs, organization, organizationId, ...fields }: ById =
    endpoint.check?.({ ...options }) ?? options
  // Where the path does not say it, the query or the body does.
  if (!template.includes(':organization')) Object.assign(fields, { organization })
  if (!template.includes(':organizationId')) Object.assign(fields, { organizationId })

  const body: Answer = {}
  for (const [index, name] of inBody.entries()) {
    const argument = (body[name] = args[inPath.length + index])
    if (!isText(argument))
      throw new TypeError(`"${fromWireName(name)}" must be a non-empty text; got "${argument as string}"`)
  }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(toWire(fields) as Answer)) {
    if (method === 'GET' || split(queryNames).map(toWireName).includes(name)) query.set(name, `${value}`)
    else body[name] = value
  }
  let taken = 0
  let url = ''
  for (const part of template.split(/(:\w+)/)) {
    if (part === ':region') url += context.regionUrl
    else if (part === ':organization') url += path`${organization ?? context.organization}`
    else if (part === ':organizationId')
      url += path`${organizationId ?? (await context.findOrganizationId(options))}`
    else url += part[0] === ':' ? path`${args[taken++] as string}` : part
  }
  if (cursor !== undefined) query.set(list as string, cursor)
  if (query.size > 0) url += `${url.includes('?') ? '&' : '?'}${query}`

  const answer = await context.call({
    method,
    url,
    // An empty object is not nothing: AWS databases refuse even empty permissions.
    body: Object.keys(body).length > 0 ? body : undefined,
    signal,
    timeoutMs,
    isRepeatable,
    scope,
  })
  return readAnswer(endpoint, answer, query, isWalk)
}

function readAnswer(endpoint: Endpoint, answer: unknown, query: URLSearchParams, isWalk: boolean): unknown {
  const { answer: member, fields = '', list } = endpoint
  if (member === undefined) return undefined
  try {
    const whole = (answer ?? {}) as Answer
    const found: unknown =
      typeof member === 'function'
        ? member(whole)
        : list || whole[member] !== undefined
          ? whole[member]
          : whole
    if (typeof member === 'function' && typeof found === 'string') return found
    if (!list) return read(found, fields, typeof member === 'function' ? whole : found)
    if (found === undefined) throw new ProtocolError(`The Platform API answered without "${String(member)}"`)
    // An empty list of Go is `null`.
    const items = ((found ?? []) as unknown[]).map((item) => read(item, fields))
    return list === true ? items : { items, next: nextPage(whole, items.length, query, isWalk), raw: whole }
  } catch (error) {
    if (isTursoError(error)) throw error
    throw new ProtocolError('The Platform API answered with something else than was asked for', error)
  }
}

/** Lists have been cut there without a word (turso-cli#968). */
const SERVERS_PAGE_SIZE = 1_000

function nextPage(
  { pagination }: Answer,
  count: number,
  query: URLSearchParams,
  isWalk: boolean,
): string | null {
  const { next, page = query.get('page') ?? 1, total_pages: last } = pagination ?? {}
  const limit = Number(query.get('limit') ?? query.get('page_size')) || Infinity
  // Who asks for one page of a size is answered when it is full; who walks must not stop there.
  const full = isWalk || limit > SERVERS_PAGE_SIZE ? Math.min(SERVERS_PAGE_SIZE, limit) : Infinity
  if (next === undefined && !last && count >= full)
    throw new ProtocolError(
      `The Platform API lists ${count} items without a word of a next page: more may be missing`,
    )
  if (typeof (next ?? '') !== 'string')
    throw new ProtocolError('The Platform API names a next page by something else than a text')
  return next || (page < last ? `${Number(page) + 1}` : null)
}

/** An object with our names, and the original as `raw`. */
function read(found: unknown, fields: string, raw = found): unknown {
  if (typeof found !== 'object' || found === null)
    throw new ProtocolError('The Platform API answered without an object')
  const value = fromWire(found) as Answer
  for (const field of fields.split(' ')) {
    const name = field.replace(/^\W/, '')
    if (field[0] === '?') value[name] ??= null
    else if (field[0] === '!') value[name] = value[name] === true
    else if (field && (typeof value[name] !== 'string' || value[name] === ''))
      throw new ProtocolError(`The Platform API answered without "${name}"`)
  }
  return { ...value, raw }
}

/**
 * The token of an endpoint that mints one.
 *
 * @throws {ProtocolError} when it is not there
 */
export function jwtOf({ jwt }: Answer): string {
  if (typeof jwt !== 'string' || !/^[\x21-\x7e]+$/.test(jwt))
    throw new ProtocolError('The Platform API answered without "jwt"')
  return jwt
}

/** An endpoint as data, and what makes a method of it. */
import { isTursoError, ProtocolError } from '../errors.ts'
import { path } from '../path.ts'
import type { ById, Method, PlatformCall, PlatformCallOptions } from './call.ts'
import { fromWire, toWire } from './names.ts'
import { createListing, type Page } from './pages.ts'

/** Parsed JSON that should be an object. Looked into freely: what is amiss with it ends as a {@link ProtocolError}. */
// oxlint-disable-next-line typescript/no-explicit-any -- every wrong step in it is caught, in `readAnswer`
export type Answer = Record<string, any>

/**
 * One endpoint. Its method takes the parts of the path that have a colon, then what `body` names, then an object with
 * all other members of the query or body, and the options of a call.
 */
export interface Endpoint {
  /** `:organization` and `:organizationId` are the client's, unless an option says otherwise. */
  readonly route: `${Method} ${string}`
  /** Members of the body that are arguments, by their wire names, separated by spaces. */
  readonly body?: string
  /** Options that go into the query, separated by spaces. Of a GET all do. */
  readonly query?: string
  /**
   * All options, by our names, separated by spaces; one that is not here is refused, since without the one that was meant
   * the call would do more than it should. Default: the API judges, which may know more than this version.
   */
  readonly options?: string
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
  /** By its id version 3 of the API knows an organization. */
  findOrganizationId(options: PlatformCallOptions): Promise<string>
}

/** @throws {TypeError} for what is no object of options */
export function requireOptions(options: unknown = {}): object {
  if (options === null) return {}
  if (typeof options !== 'object' || Array.isArray(options))
    throw new TypeError(
      `The options must be an object; got ${Array.isArray(options) ? 'an array' : `a ${typeof options}`}`,
    )
  return options
}

/** Methods out of endpoints. */
export function bind<Resource>(endpoints: Endpoints<Resource>, context: EndpointContext): Resource {
  return Object.fromEntries(
    Object.entries<Endpoint>(endpoints).map(([name, endpoint]) => [
      name,
      (...args: unknown[]) =>
        endpoint.list === undefined || endpoint.list === true
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
  const {
    route,
    body: bodyNames = '',
    query: queryNames = '',
    options: known,
    list,
    isRepeatable,
    scope,
  } = endpoint
  const [method, template] = route.split(' ') as [Method, string]
  const parts = template.split(/(?<=\/)(:\w+)/)
  const positional = parts.filter((part) => /^:(?!organization)/.test(part)).length
  const named: Answer = {}
  for (const [index, name] of bodyNames.split(' ').entries()) if (name) named[name] = args[positional + index]
  const options = requireOptions(args[positional + Object.keys(named).length]) as ById
  const { signal, timeoutMs, organization, organizationId, ...fields } = options
  // Where the path does not say it, the body does.
  if (!template.includes(':organization')) Object.assign(fields, { organization, organizationId })
  else if (known !== undefined && organizationId !== undefined && !template.includes(':organizationId'))
    throw new TypeError('"organizationId" is no option of this method')
  if (known !== undefined)
    for (const [name, value] of Object.entries(fields))
      if (value !== undefined && !known.split(' ').includes(name))
        throw new TypeError(`"${name}" is no option of this method${known && `: it has ${known}`}`)
  const body = { ...named }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(toWire(fields) as Answer)) {
    if (method === 'GET' || queryNames.split(' ').includes(name)) query.set(name, `${value}`)
    else body[name] = value
  }
  // What an argument says no option says otherwise.
  Object.assign(body, named)

  let taken = 0
  let url = ''
  for (const part of parts) {
    if (part === ':organization') url += path`${organization ?? context.organization}`
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
    options: { signal, timeoutMs },
    isRepeatable: isRepeatable ?? (method === 'GET' || undefined),
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
  const { next, page, total_pages: last } = pagination ?? {}
  const limit = Number(query.get('limit') ?? query.get('page_size') ?? Infinity)
  // Who asks for one page of a size is answered when it is full; who walks must not stop there.
  const full = isWalk || limit > SERVERS_PAGE_SIZE ? Math.min(SERVERS_PAGE_SIZE, limit) : Infinity
  if (next === undefined && page === undefined && count >= full)
    throw new ProtocolError(
      `The Platform API lists ${count} items without a word of a next page: more may be missing`,
    )
  return next || (page < last ? `${page + 1}` : null)
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
  if (typeof jwt !== 'string' || jwt === '')
    throw new ProtocolError('The Platform API answered without "jwt"')
  return jwt
}

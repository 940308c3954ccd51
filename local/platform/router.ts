/**
 * The Platform API: groups, databases and their tokens, over the catalogue.
 * Source: https://docs.turso.tech/api-reference, and for the texts the answers of the real service.
 */
import type { WireDatabase, WireGroup } from '../../src/platform/wire.ts'
import type { Catalogue, DatabaseRecord, Group } from '../storage/catalogue.ts'
import { HttpFailure } from '../errors.ts'
import { parseExpiration } from './expiration.ts'
import { MAX_DNS_LABEL_LENGTH, MAX_NAME_LENGTH, MAX_PLATFORM_BODY_BYTES } from '../limits.ts'
import { json, readBody } from '../responses.ts'
import type { Streams } from '../hrana/streams.ts'
import type { Tokens } from '../tokens.ts'

export interface PlatformOptions {
  readonly organization: string
  readonly platformToken: string
  readonly catalogue: Catalogue
  readonly streams: Streams
  readonly tokens: Tokens
  readonly now: () => number
}

/** Answers a request for `/v1/…`. Throws `HttpFailure` when it refuses. */
export type PlatformHandler = (request: Request, url: URL) => Promise<Response>

export function createPlatform(options: PlatformOptions): PlatformHandler {
  const { organization, catalogue, streams, tokens, now } = options

  const createGroup = async (request: Request) => {
    const { name, location } = await readJson(request)
    checkName(name)
    if (typeof location !== 'string' || !/^[a-z0-9-]{1,40}$/.test(location)) {
      throw new HttpFailure(400, `invalid location: ${String(location)}`)
    }
    if (catalogue.findGroup(name)) throw new HttpFailure(409, 'group already exists')
    return json({ group: toWireGroup(catalogue.createGroup(name, location)) })
  }

  const createDatabase = async (request: Request) => {
    const body = await readJson(request)
    const { name, group: groupName } = body
    checkName(name)
    const label = `${name}-${organization}`
    if (label.length > MAX_DNS_LABEL_LENGTH) {
      throw new HttpFailure(
        400,
        `name is too long: the host name label "${label}" has ${label.length} characters, ` +
          `a DNS label at most ${MAX_DNS_LABEL_LENGTH}`,
      )
    }
    refuseUnsupported(body)
    const group = typeof groupName === 'string' ? catalogue.findGroup(groupName) : undefined
    if (!group) throw new HttpFailure(400, 'group not found')
    if (catalogue.findDatabase(name)) throw new HttpFailure(400, 'database with same name already exists')
    const record = catalogue.createDatabase(name, group, now())
    return json({
      database: { DbId: record.id, Hostname: hostnameOf(record, organization), Name: record.name },
    })
  }

  const deleteDatabase = (record: DatabaseRecord) => {
    streams.closeDatabase(record.id)
    catalogue.deleteDatabase(record)
    return json({ database: record.name })
  }

  const createToken = async (request: Request, url: URL, record: DatabaseRecord) => {
    const body = await readJson(request)
    if ('permissions' in body || 'fine_grained_permissions' in body) {
      throw new HttpFailure(400, 'Permissions are not supported for db-api controlled databases')
    }
    const authorization = url.searchParams.get('authorization') ?? 'full-access'
    if (authorization !== 'full-access' && authorization !== 'read-only') {
      throw new HttpFailure(400, 'Invalid authorization')
    }
    const lifetimeSeconds = readExpiration(url.searchParams.get('expiration') ?? 'never')
    const access = authorization === 'read-only' ? 'ro' : 'rw'
    return json({ jwt: tokens.mint(record.id, access, lifetimeSeconds) })
  }

  const requireDatabase = (name: string): DatabaseRecord => {
    const record = catalogue.findDatabase(name)
    if (!record) throw new HttpFailure(404, `could not find database with name [${name}]: record not found`)
    return record
  }

  const requireGroup = (name: string): Group => {
    const group = catalogue.findGroup(name)
    if (!group) throw new HttpFailure(404, 'group not found')
    return group
  }

  return async (request, url) => {
    if (request.headers.get('authorization') !== `Bearer ${options.platformToken}`) {
      throw new HttpFailure(401, 'token contains an invalid number of segments')
    }
    const [slug, resource, name = '', ...rest] = segmentsAfter(url, '/v1/organizations/')
    if (slug !== organization) throw new HttpFailure(404, 'organization not found')
    switch (`${request.method} ${[resource, name && ':name', ...rest].filter(Boolean).join('/')}`) {
      case 'GET groups':
        return json({ groups: catalogue.groups().map(toWireGroup) })
      case 'POST groups':
        return createGroup(request)
      case 'GET groups/:name':
        return json({ group: toWireGroup(requireGroup(name)) })
      case 'GET databases': {
        const records = catalogue.databases(url.searchParams.get('group') ?? undefined)
        return json({ databases: records.map((record) => toWireDatabase(record, organization)) })
      }
      case 'POST databases':
        return createDatabase(request)
      case 'GET databases/:name':
        return json({ database: toWireDatabase(requireDatabase(name), organization) })
      case 'DELETE databases/:name':
        return deleteDatabase(requireDatabase(name))
      case 'POST databases/:name/auth/tokens':
        return createToken(request, url, requireDatabase(name))
      default:
        throw new HttpFailure(404, 'route not found')
    }
  }
}

/** Where the SQL of a database is served. */
export function hostnameOf({ name, location }: DatabaseRecord, organization: string): string {
  return `${name}-${organization}.${location}.turso.io`
}

function toWireGroup({ id, name, location }: Group): WireGroup {
  return { name, uuid: id, primary: location, locations: [location], delete_protection: false }
}

function toWireDatabase(record: DatabaseRecord, organization: string): WireDatabase {
  return {
    Name: record.name,
    DbId: record.id,
    Hostname: hostnameOf(record, organization),
    group: record.group,
    primaryRegion: record.location,
    regions: [record.location],
    type: 'logical',
    block_reads: false,
    block_writes: false,
    delete_protection: false,
    sleeping: false,
    archived: false,
    parent: null,
  }
}

function segmentsAfter(url: URL, prefix: string): string[] {
  if (!url.pathname.startsWith(prefix)) throw new HttpFailure(404, 'route not found')
  try {
    return url.pathname.slice(prefix.length).split('/').map(decodeURIComponent)
  } catch {
    throw new HttpFailure(400, 'the path is not valid percent-encoding')
  }
}

/** The body as an object. No body is an empty object. */
async function readJson(request: Request): Promise<Record<string, unknown>> {
  const body = await readBody(request, MAX_PLATFORM_BODY_BYTES)
  if (body.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw new HttpFailure(400, 'the request body is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HttpFailure(400, 'the request body is not a JSON object')
  }
  return value as Record<string, unknown>
}

function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !/^[a-z0-9-]+$/.test(name) || name.length > MAX_NAME_LENGTH) {
    throw new HttpFailure(400, `name must be 1 to ${MAX_NAME_LENGTH} lower-case letters, digits and dashes`)
  }
}

/** What the request asks for must not be ignored in silence. */
function refuseUnsupported(body: Record<string, unknown>): void {
  if (body['size_limit'] !== undefined) {
    throw new HttpFailure(400, 'size_limit is not supported for db-api controlled databases')
  }
  for (const field of ['seed', 'is_schema', 'schema', 'remote_encryption']) {
    if (body[field]) throw new HttpFailure(400, `${field} is not supported by the local Turso`)
  }
}

function readExpiration(expiration: string): number | undefined {
  try {
    return parseExpiration(expiration)
  } catch (error) {
    throw new HttpFailure(400, (error as Error).message)
  }
}

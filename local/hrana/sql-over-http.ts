/** The routes of one database: who may use them, and which answers carry CORS headers. */
import type { Catalogue, DatabaseRecord } from '../storage/catalogue.ts'
import type { DataFolder } from '../storage/data-folder.ts'
import type { Behaviour } from '../behaviour.ts'
import type { ExecutionContext } from './context.ts'
import { streamCursor } from './cursor.ts'
import { HttpFailure, ProtocolFailure, SqlFailure, unknownDatabase } from '../errors.ts'
import { MAX_PIPELINE_RESPONSE_BYTES, MAX_SQL_BODY_BYTES } from '../limits.ts'
import { checkPipeline, runPipeline } from './pipeline.ts'
import { checkRights, programOfBatch } from './program.ts'
import { decodeCursor, decodePipeline } from './requests.ts'
import { json, readBytes, refusal, text } from '../responses.ts'
import type { Streams } from './streams.ts'
import type { Tokens } from '../tokens.ts'

export interface SqlOptions {
  readonly folder: DataFolder
  readonly catalogue: Catalogue
  readonly streams: Streams
  readonly tokens: Tokens
  readonly behaviour: Behaviour
  readonly maxResponseBytes: number
  readonly createToServeGapMs: number
  readonly now: () => number
}

/** The database that a request is for. */
export interface Target {
  /** As the request names it, for error messages. */
  readonly name: string
  readonly record: DatabaseRecord | undefined
  /** The path below the database's base URL, with its leading slash. */
  readonly path: string
}

/** Answers a request to a database. */
export type SqlHandler = (request: Request, target: Target) => Promise<Response>

export function createSqlHandler(options: SqlOptions): SqlHandler {
  const { streams, behaviour, maxResponseBytes } = options

  /** Checks who asks, reads what is asked, and takes the stream for it. */
  const accept = async <T extends { readonly baton: string | undefined }>(
    request: Request,
    target: Target,
    version: 2 | 3,
    decode: (body: Uint8Array) => T,
  ): Promise<{ context: ExecutionContext; asked: T }> => {
    const { id } = requireServed(target, options)
    const header = request.headers.get('authorization')
    if (behaviour.notAJwtStatus === 400) checkIsJwt(header)
    const authorize = () => options.tokens.authorize(header, id, target.name)
    authorize()
    const asked = decode(await readBytes(request, MAX_SQL_BODY_BYTES))
    /** Whatever was waited for, meanwhile the token may be revoked and the database blocked or deleted. */
    const admit = () => {
      const record = requireServed({ ...target, record: options.catalogue.databases.findById(id) }, options)
      return { record, access: authorize() }
    }
    const { signal } = request
    let { record, access } = admit()
    const stream =
      asked.baton === undefined
        ? await streams.open(id, record.name, options.folder.databaseFile(id), signal, () => {
            ;({ record, access } = admit())
          })
        : streams.resume(id, asked.baton)
    const { name: databaseName } = target
    const isReadOnly = access === 'ro'
    const used = stream.database.id === id ? record : options.catalogue.databases.findById(stream.database.id)
    const isBlocked = { reads: used?.blockReads ?? false, writes: used?.blockWrites ?? false }
    const count: ExecutionContext['count'] = (counts) =>
      options.catalogue.usage.add(stream.database.id, counts)
    const context = {
      stream,
      version,
      behaviour,
      isReadOnly,
      isBlocked,
      maxResponseBytes,
      budget: { bytes: Math.max(maxResponseBytes, MAX_PIPELINE_RESPONSE_BYTES) },
      databaseName,
      count,
      signal,
    }
    return { context, asked }
  }

  const pipeline = async (request: Request, target: Target, version: 2 | 3) => {
    const { context, asked } = await accept(request, target, version, (body) => {
      const decoded = decodePipeline(body)
      checkPipeline(decoded.requests, behaviour)
      return decoded
    })
    const answer = await runPipeline(streams, context, asked.requests)
    try {
      return json(answer)
    } catch (error) {
      // Nobody will ever have its baton.
      streams.close(context.stream)
      throw error
    }
  }

  const cursor = async (request: Request, target: Target) => {
    const { context, asked } = await accept(request, target, 3, decodeCursor)
    try {
      const program = programOfBatch(context, asked.steps)
      if (!behaviour.cutsCursors) checkRights(context, program)
      return new Response(streamCursor(streams, context, program), {
        headers: { 'content-type': 'text/plain' },
      })
    } catch (error) {
      streams.retire(context.stream)
      throw error instanceof SqlFailure ? new HttpFailure(500, `Internal Error: \`${error.message}\``) : error
    }
  }

  const greeting = (version: 2 | 3) =>
    behaviour.greeting === 'json'
      ? json({ msg: `Hello, this is HTTP API v${version} (Hrana over HTTP)` })
      : text('Hello, this is HTTP API v2 (Hrana over HTTP)')

  const route = async (request: Request, target: Target): Promise<Response> => {
    switch (`${request.method} ${target.path}`) {
      case 'POST /v2/pipeline':
        return pipeline(request, target, 2)
      case 'POST /v3/pipeline':
        return pipeline(request, target, 3)
      case 'POST /v3/cursor':
        return cursor(request, target)
      case 'GET /v2':
        return greeting(2)
      case 'GET /v3':
        return greeting(3)
      default:
        return answerProbe(request, target.path) ?? unknownRoute(request, behaviour)
    }
  }

  return async (request, target) => {
    const response = await route(request, target).catch((error: unknown) => refuse(error, behaviour))
    for (const header of CORS_HEADERS[request.method] ?? CORS_ORIGIN) response.headers.set(header, '*')
    return response
  }
}

/** What asks whether a server is there: `GET /health` and `GET /version`, without a token. */
export function answerProbe({ method }: Request, path: string): Response | undefined {
  if (method !== 'GET') return undefined
  if (path === '/health') return new Response(null)
  return path === '/version' ? text('turso-edge local Turso') : undefined
}

/** A missing token and one that is forged are 401 everywhere. */
function checkIsJwt(header: string | null): void {
  const [, token] = /^bearer (.+)$/i.exec(header ?? '') ?? []
  if (token !== undefined && !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
    throw new HttpFailure(400, 'the token is not a JWT')
  }
}

function unknownRoute({ method }: Request, { refusalBody }: Behaviour): Response {
  if (method === 'OPTIONS') return new Response(null)
  return refusalBody === 'error'
    ? json({ error: 'route not found' }, 404)
    : new Response(null, { status: 404 })
}

function refuse(error: unknown, { refusalBody }: Behaviour): Response {
  const isText = error instanceof ProtocolFailure
  return isText && refusalBody === 'error' ? json({ error: error.message }, 400) : refusal(error)
}

const CORS_ORIGIN = ['access-control-allow-origin']
const CORS_HEADERS: Record<string, string[]> = {
  OPTIONS: [...CORS_ORIGIN, 'access-control-allow-methods', 'access-control-allow-headers'],
}

/** A database that is too new looks exactly like one that does not exist, as on the real service. */
function requireServed({ record, name }: Target, { createToServeGapMs, now }: SqlOptions): DatabaseRecord {
  if (!record || record.createdAtMs + createToServeGapMs > now()) throw unknownDatabase(name)
  return record
}

/** The routes of one database: who may use them, and which answers carry CORS headers. */
import type { Catalogue, DatabaseRecord } from '../storage/catalogue.ts'
import type { DataFolder } from '../storage/data-folder.ts'
import { unknownDatabase } from '../errors.ts'
import { MAX_SQL_BODY_BYTES } from '../limits.ts'
import { runPipeline } from './pipeline.ts'
import { decodePipeline } from './requests.ts'
import { json, readBody, refusal, text } from '../responses.ts'
import type { Streams } from './streams.ts'
import type { Tokens } from '../tokens.ts'

export interface SqlOptions {
  readonly folder: DataFolder
  readonly catalogue: Catalogue
  readonly streams: Streams
  readonly tokens: Tokens
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
  const pipeline = async (request: Request, target: Target, version: 2 | 3) => {
    const record = requireServed(target, options)
    const { streams, tokens } = options
    const header = request.headers.get('authorization')
    const access = tokens.authorize(header, record.id, target.name)
    const { baton, requests } = decodePipeline(await readBody(request, MAX_SQL_BODY_BYTES))
    const { signal } = request
    const stream =
      baton === undefined
        ? await streams.open(record.id, record.name, options.folder.databaseFile(record.id), signal)
        : streams.resume(record.id, baton)
    const context = { stream, version, isReadOnly: access === 'ro', databaseName: target.name, signal }
    return json(await runPipeline(streams, context, requests))
  }

  const route = async (request: Request, target: Target): Promise<Response> => {
    switch (`${request.method} ${target.path}`) {
      case 'POST /v2/pipeline':
        return pipeline(request, target, 2)
      case 'POST /v3/pipeline':
        return pipeline(request, target, 3)
      case 'GET /v2':
      case 'GET /v3':
        return text('Hello, this is HTTP API v2 (Hrana over HTTP)')
      case 'GET /version':
        return text('turso-edge local Turso')
      case 'GET /health':
        return new Response(null)
      default:
        return new Response(null, { status: request.method === 'OPTIONS' ? 200 : 404 })
    }
  }

  return async (request, target) => {
    const response = await route(request, target).catch(refusal)
    for (const header of CORS_HEADERS[request.method] ?? CORS_ORIGIN) response.headers.set(header, '*')
    return response
  }
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

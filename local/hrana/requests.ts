/**
 * Reads the body of a pipeline. Nothing of it has run yet when this fails, and its stream is untouched.
 * Unknown fields are ignored, as the protocol wants it.
 */
import type { WireBatch, WireCondition, WireStreamRequest } from '../../src/hrana/wire.ts'
import { ProtocolFailure } from '../errors.ts'
import { MAX_CONDITION_DEPTH } from '../limits.ts'
import type { Arguments } from '../engine/parameters.ts'
import { decodeValue } from '../engine/values.ts'

/** An SQL text, or the number of one that the stream stores. */
export interface SqlReference {
  readonly sql: string | undefined
  readonly sqlId: number | undefined
}

export interface StatementRequest extends SqlReference {
  readonly args: Arguments
  readonly wantRows: boolean
}

export interface BatchStep {
  readonly condition: WireCondition | undefined
  readonly statement: StatementRequest
}

/** A request on a stream with its values decoded. */
export type StreamRequest =
  | { type: 'close' }
  | { type: 'get_autocommit' }
  | { type: 'execute'; statement: StatementRequest }
  | { type: 'batch'; steps: BatchStep[] }
  | ({ type: 'sequence' | 'describe' } & SqlReference)
  | { type: 'store_sql'; sqlId: number; sql: string }
  | { type: 'close_sql'; sqlId: number }

export interface PipelineRequest {
  readonly baton: string | undefined
  readonly requests: StreamRequest[]
}

/** A batch whose results are streamed. */
export interface CursorRequest {
  readonly baton: string | undefined
  readonly steps: BatchStep[]
}

/** Decodes a body of `POST /v2/pipeline` or `/v3/pipeline`. Throws `ProtocolFailure`. */
export function decodePipeline(body: Uint8Array): PipelineRequest {
  return decodeBody(body, (pipeline) => ({
    baton: optional(pipeline, 'baton', string),
    requests: array(pipeline['requests'], 'requests').map(decodeRequest),
  }))
}

/** Decodes a body of `POST /v3/cursor`. Throws `ProtocolFailure`. */
export function decodeCursor(body: Uint8Array): CursorRequest {
  return decodeBody(body, (cursor) => ({
    baton: optional(cursor, 'baton', string),
    steps: decodeSteps(cursor['batch']),
  }))
}

function decodeBody<T>(body: Uint8Array, decode: (fields: Fields) => T): T {
  try {
    return decode(object(JSON.parse(decodeUtf8(body)), 'the body'))
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'the body is not JSON' : (error as Error).message
    throw new ProtocolFailure(`Cannot deserialize client message from JSON: ${reason}`)
  }
}

function decodeUtf8(body: Uint8Array): string {
  try {
    return UTF8.decode(body)
  } catch {
    throw new Error('the body is not UTF-8')
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeRequest(value: unknown): StreamRequest {
  const request = object(value, 'a request')
  const type = request['type'] as WireStreamRequest['type']
  switch (type) {
    case 'close':
    case 'get_autocommit':
      return { type }
    case 'execute':
      return { type, statement: decodeStatement(request['stmt']) }
    case 'batch':
      return { type, steps: decodeSteps(request['batch']) }
    case 'sequence':
    case 'describe':
      return { type, ...decodeReference(request) }
    case 'store_sql':
      return { type, sqlId: int32(request['sql_id'], 'sql_id'), sql: string(request['sql'], 'sql') }
    case 'close_sql':
      return { type, sqlId: int32(request['sql_id'], 'sql_id') }
    default:
      throw new Error('unknown type of request')
  }
}

function decodeReference(value: Fields): SqlReference {
  return { sql: optional(value, 'sql', string), sqlId: optional(value, 'sql_id', int32) }
}

function decodeStatement(value: unknown): StatementRequest {
  const statement = object(value, 'stmt')
  const positional = 'args' in statement ? array(statement['args'], 'args').map(decodeValue) : []
  const named = 'named_args' in statement ? array(statement['named_args'], 'named_args') : []
  return {
    ...decodeReference(statement),
    args: {
      positional,
      named: new Map(
        named.map((entry) => {
          const { name, value: argument } = object(entry, 'a named argument')
          return [string(name, 'name'), decodeValue(argument)]
        }),
      ),
    },
    wantRows: optional(statement, 'want_rows', boolean) ?? true,
  }
}

function decodeSteps(value: unknown): BatchStep[] {
  const batch = object(value, 'batch') as Partial<Record<keyof WireBatch, unknown>>
  return array(batch.steps, 'steps').map((entry) => {
    const step = object(entry, 'a step')
    const { condition } = step
    return {
      condition: condition === undefined || condition === null ? undefined : decodeCondition(condition, 1),
      statement: decodeStatement(step['stmt']),
    }
  })
}

function decodeCondition(value: unknown, depth: number): WireCondition {
  if (depth > MAX_CONDITION_DEPTH) throw new Error('recursion limit exceeded')
  const condition = object(value, 'a condition')
  const type = condition['type'] as WireCondition['type']
  switch (type) {
    case 'ok':
    case 'error':
      return { type, step: uint32(condition['step'], 'step') }
    case 'not':
      return { type, cond: decodeCondition(condition['cond'], depth + 1) }
    case 'and':
    case 'or':
      return {
        type,
        conds: array(condition['conds'], 'conds').map((nested) => decodeCondition(nested, depth + 1)),
      }
    case 'is_autocommit':
      return { type }
    default:
      throw new Error('unknown type of condition')
  }
}

type Fields = Record<string, unknown>

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${what} must be an object`)
  }
  return value as Fields
}

function array(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} must be an array`)
  return value
}

function string(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Error(`${what} must be a string`)
  if (!value.isWellFormed()) throw new Error(`${what} must be well-formed Unicode`)
  return value
}

function boolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new Error(`${what} must be a boolean`)
  return value
}

function int32(value: unknown, what: string): number {
  if (typeof value !== 'number' || (value | 0) !== value) throw new Error(`${what} must be a 32-bit integer`)
  return value
}

function uint32(value: unknown, what: string): number {
  if (typeof value !== 'number' || value >>> 0 !== value) throw new Error(`${what} must be a 32-bit number`)
  return value
}

/** A field that may be absent or `null`. */
function optional<T>(
  fields: Fields,
  name: string,
  decode: (value: unknown, what: string) => T,
): T | undefined {
  const value = fields[name]
  return value === undefined || value === null ? undefined : decode(value, name)
}

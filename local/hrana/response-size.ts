/** How large the answer to one request is, as sqld estimates it. Source: libsql-server/src/hrana/result_builder.rs */
import type { EngineColumn } from '../engine/engine.ts'
import type { EngineValue } from '../engine/values.ts'
import { SqlFailure } from '../errors.ts'

/** Adds up. Throws `SqlFailure` RESPONSE_TOO_LARGE when it is more than allowed. */
export interface ResponseSize {
  addColumns(columns: readonly EngineColumn[]): void
  addRows(rows: readonly EngineValue[][]): void
  readonly bytes: number
}

export function createResponseSize(maxBytes: number): ResponseSize {
  let bytes = 0
  const add = (more: number) => {
    bytes += more
    if (bytes > maxBytes) throw new SqlFailure('RESPONSE_TOO_LARGE', 'Response is too large')
  }
  return {
    get bytes() {
      return bytes
    },
    addColumns(columns) {
      for (const { name, decltype } of columns) add(`{"name":"${name}","decltype":"${decltype}"}`.length)
    },
    addRows(rows) {
      for (const row of rows) for (const value of row) add(sizeOf(value))
    },
  }
}

function sizeOf(value: EngineValue): number {
  if (value === null) return '{"type":"null"}'.length
  switch (typeof value) {
    case 'bigint':
      return '{"type":"integer","value":""}'.length + value.toString().length
    case 'number':
      return '{"type":"float","value":"}'.length + value.toString().length
    case 'string':
      return '{"type":"text","value":""}'.length + Buffer.byteLength(value)
    default:
      return value.length
  }
}

/**
 * The JSON of Hrana 3 over HTTP (version 2 is a subset), exactly as it is sent. Types only: the client encodes and
 * decodes them in its own way, the local Turso in its own.
 *
 * Source: https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md and HTTP_V2_SPEC.md
 */

export type WireValue =
  | { type: 'null' }
  /** A decimal string, because int64 does not fit a JSON number. */
  | { type: 'integer'; value: string }
  /** `null` stands for NaN and the infinities, which JSON cannot say. */
  | { type: 'float'; value: number | null }
  | { type: 'text'; value: string }
  /** Standard alphabet; servers send it without padding and accept it with or without. */
  | { type: 'blob'; base64: string }

export interface WireStatement {
  sql?: string | null
  sql_id?: number | null
  args?: WireValue[]
  named_args?: { name: string; value: WireValue }[]
  want_rows?: boolean | null
}

export type WireCondition =
  | { type: 'ok'; step: number }
  | { type: 'error'; step: number }
  | { type: 'not'; cond: WireCondition }
  | { type: 'and'; conds: WireCondition[] }
  | { type: 'or'; conds: WireCondition[] }
  /** Version 3 only. */
  | { type: 'is_autocommit' }

export interface WireBatch {
  steps: { condition?: WireCondition | null; stmt: WireStatement }[]
}

export type WireStreamRequest =
  | { type: 'close' }
  | { type: 'execute'; stmt: WireStatement }
  | { type: 'batch'; batch: WireBatch }
  | { type: 'sequence'; sql?: string | null; sql_id?: number | null }
  | { type: 'describe'; sql?: string | null; sql_id?: number | null }
  | { type: 'store_sql'; sql_id: number; sql: string }
  | { type: 'close_sql'; sql_id: number }
  /** Version 3 only. */
  | { type: 'get_autocommit' }

export interface WireColumn {
  name: string | null
  decltype?: string | null
}

export interface WireStatementResult {
  cols: WireColumn[]
  rows: WireValue[][]
  affected_row_count: number
  last_insert_rowid: string | null
  /** The three counters below are sent by sqld and Turso Cloud; the specification does not know them. */
  rows_read?: number
  rows_written?: number
  query_duration_ms?: number
}

export interface WireError {
  message: string
  code?: string | null
  /** Turso Cloud only, for constraint violations. */
  extended_code?: string | null
}

export interface WireBatchResult {
  step_results: (WireStatementResult | null)[]
  step_errors: (WireError | null)[]
}

export interface WireDescribeResult {
  params: { name: string | null }[]
  cols: { name: string; decltype: string | null }[]
  is_explain: boolean
  is_readonly: boolean
}

export type WireStreamResponse =
  | { type: 'close' }
  | { type: 'execute'; result: WireStatementResult }
  | { type: 'batch'; result: WireBatchResult }
  | { type: 'sequence' }
  | { type: 'describe'; result: WireDescribeResult }
  | { type: 'store_sql' }
  | { type: 'close_sql' }
  | { type: 'get_autocommit'; is_autocommit: boolean }

export type WireStreamResult =
  | { type: 'ok'; response: WireStreamResponse }
  | { type: 'error'; error: WireError }

/** Body of `POST /v2/pipeline` and `/v3/pipeline`. */
export interface WirePipelineRequest {
  baton?: string | null
  requests: WireStreamRequest[]
}

export interface WirePipelineResponse {
  /** `null` when the stream is closed, and on Turso Cloud also when it holds no state. */
  baton: string | null
  base_url: string | null
  results: WireStreamResult[]
}

/** Body of `POST /v3/cursor`. */
export interface WireCursorRequest {
  baton?: string | null
  batch: WireBatch
}

/** First line of the answer. */
export interface WireCursorResponse {
  baton?: string | null
  base_url?: string | null
}

/** Each of the other lines. Servers add types of their own, such as `replication_index`. */
export type WireCursorEntry =
  | { type: 'step_begin'; step: number; cols: WireColumn[] }
  | { type: 'row'; row: WireValue[] }
  /** The specification has the rowid as a string; sqld and Turso Cloud send a number. */
  | { type: 'step_end'; affected_row_count: number; last_insert_rowid: string | number | null }
  | { type: 'step_error'; step: number; error: WireError }
  | { type: 'error'; error: WireError }

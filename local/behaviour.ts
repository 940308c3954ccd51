/**
 * Where the servers that speak this protocol differ, and which of them the local Turso is like. Where they agree there
 * is no entry here. Sources: the specification (docs/HRANA_3_SPEC.md and HTTP_V2_SPEC.md in tursodatabase/libsql),
 * libsql-server 0.24 (`sqld`), and serverless/PROTOCOL.md in tursodatabase/turso, which describes Turso Cloud.
 */

/** `spec`: as specified, and like sqld where that says nothing. `sqld`: the open server. `cloud`: Turso Cloud. */
export type BehaviourName = 'spec' | 'sqld' | 'cloud'

/** How one kind of server behaves. */
export interface Behaviour {
  /** A stream without transaction, stored SQL or changed settings: its baton is `null` after a pipeline. */
  readonly closesStatelessStreams: boolean
  /** A pipeline without requests: it keeps the stream alive, or closes it. */
  readonly emptyPipeline: 'keeps' | 'closes'
  /**
   * Batons that cannot be used. `by_reason`: 400 for all, each reason with its own text or code. `as_unknown`: 404
   * whatever the reason, as long as the baton is well-formed.
   */
  readonly unusableBaton: 'by_reason' | 'as_unknown'
  /** A baton of another database is accepted, and runs there, with the rights that the token has here. */
  readonly batonsOpenOtherDatabases: boolean
  /**
   * A request after `close`: fails in-band, loses the pipeline when it is reached (400), or has the pipeline refused
   * before anything runs (400).
   */
  readonly requestAfterClose: 'fails' | 'loses_pipeline' | 'refuses_pipeline'
  /** `store_sql` under a number in use: 400 and the stream is closed, or the text is replaced. */
  readonly storeOnUsedId: 'refused' | 'replaces'
  /** The condition `error` about a step that was skipped. */
  readonly errorHoldsForSkippedStep: boolean
  /** `want_rows: false` leaves the rows out. */
  readonly honoursWantRows: boolean
  /**
   * A step of a batch that is no SQL: that step fails, or the batch as a whole before anything runs, which a cursor
   * answers with 500.
   */
  readonly unparsableStep: 'step_fails' | 'batch_fails'
  /** `last_insert_rowid` of a cursor: a JSON string or a JSON number. */
  readonly cursorRowid: 'string' | 'number'
  /**
   * A cursor over what the token does not allow, or with a text that is not UTF-8. sqld has answered before it looks, and
   * cuts the body off. Otherwise it is 403, and an `error` as the last entry.
   */
  readonly cutsCursors: boolean
  /** The last entry of a cursor that was not cut off. */
  readonly cursorTerminator: 'none' | 'replication_index'
  /** Results carry a `replication_index`. */
  readonly sendsReplicationIndex: boolean
  /** Errors of constraints carry an `extended_code`. */
  readonly sendsExtendedCode: boolean
  /** Codes and texts of failed statements: sqld's, or those that Turso Cloud documents and its users report. */
  readonly errorsOf: 'sqld' | 'cloud'
  /** `pragma user_version = 1` runs. */
  readonly setsUserVersion: boolean
  /**
   * The names of parameters: as written (`:id`), or without their prefix (`id`). `describe` says them so, and of a named
   * argument the prefix counts or does not.
   */
  readonly parameterNames: 'written' | 'bare'
  /** Bodies of refused requests: plain text, Error objects and `{"error"}` by the layer that refuses, or always `{"error"}`. */
  readonly refusalBody: 'by_layer' | 'error'
  /** The status for a token that is not a JWT at all. */
  readonly notAJwtStatus: 400 | 401
  /** The body of `GET /v2` and `GET /v3`: the same text for both, or JSON with the version. */
  readonly greeting: 'text' | 'json'
}

const SPEC: Behaviour = {
  closesStatelessStreams: false,
  emptyPipeline: 'keeps',
  unusableBaton: 'by_reason',
  batonsOpenOtherDatabases: false,
  requestAfterClose: 'fails',
  storeOnUsedId: 'refused',
  errorHoldsForSkippedStep: false,
  honoursWantRows: true,
  unparsableStep: 'step_fails',
  cursorRowid: 'string',
  cutsCursors: false,
  cursorTerminator: 'none',
  sendsReplicationIndex: false,
  sendsExtendedCode: false,
  errorsOf: 'sqld',
  setsUserVersion: true,
  parameterNames: 'written',
  refusalBody: 'by_layer',
  notAJwtStatus: 401,
  greeting: 'text',
}

const SQLD: Behaviour = {
  closesStatelessStreams: false,
  emptyPipeline: 'keeps',
  unusableBaton: 'by_reason',
  batonsOpenOtherDatabases: true,
  requestAfterClose: 'loses_pipeline',
  storeOnUsedId: 'refused',
  errorHoldsForSkippedStep: true,
  honoursWantRows: false,
  unparsableStep: 'batch_fails',
  cursorRowid: 'number',
  cutsCursors: true,
  cursorTerminator: 'replication_index',
  sendsReplicationIndex: true,
  sendsExtendedCode: false,
  errorsOf: 'sqld',
  setsUserVersion: true,
  parameterNames: 'written',
  refusalBody: 'by_layer',
  notAJwtStatus: 401,
  greeting: 'text',
}

const CLOUD: Behaviour = {
  closesStatelessStreams: true,
  emptyPipeline: 'closes',
  unusableBaton: 'as_unknown',
  batonsOpenOtherDatabases: false,
  requestAfterClose: 'refuses_pipeline',
  storeOnUsedId: 'replaces',
  errorHoldsForSkippedStep: true,
  honoursWantRows: true,
  unparsableStep: 'step_fails',
  cursorRowid: 'number',
  cutsCursors: false,
  cursorTerminator: 'replication_index',
  sendsReplicationIndex: false,
  sendsExtendedCode: true,
  errorsOf: 'cloud',
  setsUserVersion: false,
  parameterNames: 'bare',
  refusalBody: 'error',
  notAJwtStatus: 400,
  greeting: 'json',
}

export const BEHAVIOURS: Readonly<Record<BehaviourName, Behaviour>> = { spec: SPEC, sqld: SQLD, cloud: CLOUD }

/** The behaviour of this name. Throws `TypeError` for any other. */
export function behaviourOf(name: BehaviourName): Behaviour {
  if (!Object.hasOwn(BEHAVIOURS, name)) {
    throw new TypeError(`"behaviour" must be one of ${Object.keys(BEHAVIOURS).join(', ')}`)
  }
  return BEHAVIOURS[name]
}

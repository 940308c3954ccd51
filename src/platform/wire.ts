/**
 * The JSON of the Turso Platform API, exactly as it is sent, mixed casing included. Types only.
 *
 * Source: https://docs.turso.tech/api-reference (openapi.json), and the Turso CLI where the documentation is silent.
 */

/** Body of `POST /v1/organizations/{org}/databases`. */
export interface WireCreateDatabaseRequest {
  name: string
  group: string
  size_limit?: string
  is_schema?: boolean
  seed?: { type: 'database'; name: string; timestamp?: string } | { type: 'database_upload' }
}

/** Answer of the same: fewer fields than {@link WireDatabase}. */
export interface WireCreateDatabaseResponse {
  database: { DbId: string; Hostname: string; Name: string }
}

/** Body of `POST /v1/organizations/{org}/groups`. */
export interface WireCreateGroupRequest {
  name: string
  location: string
}

export interface WireDatabase {
  Name: string
  DbId: string
  Hostname: string
  group: string
  primaryRegion: string
  regions: string[]
  type?: string
  version?: string
  block_reads: boolean
  block_writes: boolean
  delete_protection: boolean
  sleeping?: boolean
  archived?: boolean
  parent?: { id: string; name: string; branched_at: string } | null
}

export interface WireGroup {
  name: string
  uuid: string
  primary: string
  locations: string[]
  version?: string
  delete_protection: boolean
}

/** Every refusal. `error` is a string in the documentation; the CLI reads it as "any". */
export interface WireErrorBody {
  error: string
  code?: string
}

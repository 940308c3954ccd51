/** What exists: groups, databases and the key that signs their tokens. A libSQL file in the data folder. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { DataFolder } from './data-folder.ts'
import { openConnection, type Connection } from '../engine/engine.ts'
import { DataFolderError } from '../errors.ts'
import { generateSigningKey } from '../tokens.ts'
import type { EngineValue } from '../engine/values.ts'

export interface Group {
  readonly id: string
  readonly name: string
  readonly location: string
}

export interface DatabaseRecord {
  /** The DbId: a name may be used again, this never is. */
  readonly id: string
  readonly name: string
  readonly group: string
  readonly location: string
  readonly createdAtMs: number
}

export interface Catalogue {
  /** PEM. */
  readonly signingKey: string
  groups(): Group[]
  findGroup(name: string): Group | undefined
  createGroup(name: string, location: string): Group
  databases(group?: string): DatabaseRecord[]
  findDatabase(name: string): DatabaseRecord | undefined
  /** Makes the file first and the row last, so that a crash leaves no half-made database. */
  createDatabase(name: string, group: Group, createdAtMs: number): DatabaseRecord
  /** Removes the row first and the files last. Its connections must be closed. */
  deleteDatabase(record: DatabaseRecord): void
  close(): void
}

/** `turs` in ASCII, which marks the file as ours. */
const APPLICATION_ID = 0x74757273n
const SCHEMA_VERSION = 1n

/**
 * Opens the catalogue, and makes it in an empty folder.
 * Throws `DataFolderError` when the file is damaged or foreign, or when a database has lost its file.
 */
export function openCatalogue(folder: DataFolder): Catalogue {
  const connection = openChecked(folder)
  const { query } = connection
  const [[signingKey] = []] = query('select pem from signing_key')

  const catalogue: Catalogue = {
    signingKey: signingKey as string,
    groups: () => query('select id, name, location from groups order by name').map(toGroup),
    findGroup: (name) =>
      query('select id, name, location from groups where name = ?', [name]).map(toGroup)[0],
    createGroup(name, location) {
      const group = { id: randomUUID(), name, location }
      query('insert into groups (id, name, location) values (?, ?, ?)', [group.id, name, location])
      return group
    },
    databases: (group) =>
      (group === undefined
        ? query(`${SELECT_DATABASE} order by d.name`)
        : query(`${SELECT_DATABASE} where g.name = ? order by d.name`, [group])
      ).map(toDatabase),
    findDatabase: (name) => query(`${SELECT_DATABASE} where d.name = ?`, [name]).map(toDatabase)[0],
    createDatabase(name, group, createdAtMs) {
      const id = randomUUID()
      const file = openConnection(folder.databaseFile(id))
      try {
        file.run('pragma journal_mode = wal')
      } finally {
        file.close()
      }
      query('insert into databases (id, name, group_id, created_at_ms) values (?, ?, ?, ?)', [
        id,
        name,
        group.id,
        BigInt(createdAtMs),
      ])
      return { id, name, group: group.name, location: group.location, createdAtMs }
    },
    deleteDatabase({ id }) {
      query('delete from databases where id = ?', [id])
      folder.removeDatabase(id)
    },
    close: connection.close,
  }

  const records = catalogue.databases()
  for (const { id, name } of records) {
    const file = folder.databaseFile(id)
    if (existsSync(file)) continue
    connection.close()
    throw new DataFolderError(`database "${name}" has lost its file ${file}; start over with --fresh`)
  }
  folder.removeOtherDatabases(new Set(records.map(({ id }) => id)))
  return catalogue
}

const SELECT_DATABASE = `select d.id, d.name, g.name, g.location, d.created_at_ms
  from databases d join groups g on g.id = d.group_id`

const SCHEMA = `
  create table groups (id text primary key, name text not null unique, location text not null);
  create table databases (
    id text primary key,
    name text not null unique,
    group_id text not null references groups (id),
    created_at_ms integer not null
  );
  create table signing_key (pem text not null);
`

function openChecked(folder: DataFolder): Connection {
  const { catalogueFile } = folder
  let connection: Connection | undefined
  try {
    connection = openConnection(catalogueFile)
    initialize(connection)
    return connection
  } catch (error) {
    connection?.close()
    const reason = (error as Error).message
    throw new DataFolderError(
      `${catalogueFile} cannot be used: ${reason}. Choose another folder, or start over with --fresh`,
    )
  }
}

function initialize(connection: Connection): void {
  const [[applicationId] = []] = connection.query('pragma application_id')
  const [[version] = []] = connection.query('pragma user_version')
  const [[tables] = []] = connection.query('select count(*) from sqlite_schema')
  if (applicationId !== APPLICATION_ID) {
    if (tables !== 0n) throw new Error('it is not a catalogue of the local Turso')
    connection.run('pragma journal_mode = wal')
    // One transaction: after a crash there is all of it or an empty file.
    connection.run(`begin immediate;${SCHEMA}pragma application_id = ${APPLICATION_ID};
      pragma user_version = ${SCHEMA_VERSION}`)
    connection.query('insert into signing_key (pem) values (?)', [generateSigningKey()])
    connection.run('commit')
  } else if (version !== SCHEMA_VERSION) {
    throw new Error(`it has version ${String(version)}, this local Turso knows version ${SCHEMA_VERSION}`)
  }
  const [[health] = []] = connection.query('pragma quick_check')
  if (health !== 'ok') throw new Error('it is damaged')
}

function toGroup([id, name, location]: EngineValue[]): Group {
  return { id: id as string, name: name as string, location: location as string }
}

function toDatabase([id, name, group, location, createdAtMs]: EngineValue[]): DatabaseRecord {
  return {
    id: id as string,
    name: name as string,
    group: group as string,
    location: location as string,
    createdAtMs: Number(createdAtMs),
  }
}

/**
 * What exists: organizations, groups, databases, tokens, and the key that signs them. A libSQL file in the data folder.
 */
import { existsSync } from 'node:fs'
import { openConnection, type Connection } from '../engine/engine.ts'
import { DataFolderError } from '../errors.ts'
import { createApiTokens, type ApiTokens } from './api-tokens.ts'
import { createAuditLogs, type AuditLogs } from './audit-logs.ts'
import type { DataFolder } from './data-folder.ts'
import { createDatabases, type Databases } from './databases.ts'
import { createGroups, type Groups } from './groups.ts'
import { createOrganizations, type Organizations } from './organizations.ts'
import type { Member } from './records.ts'
import { prepareSchema } from './schema.ts'
import { createUsage, type Usage } from './usage.ts'

export type { DatabaseRecord, Group } from './records.ts'

export interface Catalogue {
  /** PEM. */
  readonly signingKey: string
  readonly organizations: Organizations
  readonly groups: Groups
  readonly databases: Databases
  readonly apiTokens: ApiTokens
  readonly auditLogs: AuditLogs
  readonly usage: Usage
  /** Does all of it or, when it throws or the process ends, nothing. */
  transaction<T>(work: () => T): T
  /** Forgets what was deleted until a time, with its files. */
  purge(untilMs: number): void
  close(): void
}

export interface CatalogueOptions {
  /** The slug of the primary organization. */
  readonly organization: string
  /** Who owns it. */
  readonly owner: Member
  readonly now: () => number
}

/**
 * Opens the catalogue, and makes it in an empty folder.
 * Throws `DataFolderError` when the file is damaged or foreign, or when a database has lost its file.
 */
export function openCatalogue(folder: DataFolder, options: CatalogueOptions): Catalogue {
  const connection = openChecked(folder)
  const { query } = connection
  const transaction: Catalogue['transaction'] = (work) => {
    connection.run('begin immediate')
    try {
      const result = work()
      connection.run('commit')
      return result
    } catch (error) {
      connection.rollback()
      throw error
    }
  }

  try {
    const organizations = orRefuse(folder, () =>
      createOrganizations(connection, options.organization, options.owner),
    )
    const databases = createDatabases(connection, folder)
    const groups = createGroups(connection)
    const usage = createUsage(connection, options.now)
    checkFiles(query, folder)
    const [[signingKey] = []] = query('select pem from signing_key')

    return {
      signingKey: signingKey as string,
      organizations,
      groups,
      databases,
      apiTokens: createApiTokens(connection),
      auditLogs: createAuditLogs(connection),
      usage,
      transaction,
      purge(untilMs) {
        const ids = databases.purge(untilMs)
        groups.purge(untilMs)
        // The files last: a row without a file would be a loss, a file without a row is only rubbish.
        for (const id of ids) {
          usage.forget(id)
          folder.removeDatabase(id)
        }
      },
      close() {
        usage.close()
        connection.close()
      },
    }
  } catch (error) {
    connection.close()
    throw error
  }
}

function openChecked(folder: DataFolder): Connection {
  return orRefuse(folder, () => {
    const connection = openConnection(folder.catalogueFile)
    try {
      if (folder.isTemporary) connection.run('pragma synchronous = off')
      prepareSchema(connection)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  })
}

/** Rows and files must go together; a file without a row is what a crash left. */
function checkFiles(query: Connection['query'], folder: DataFolder): void {
  const rows = query('select id, name, deleted_at_ms from databases')
  const kept = new Set<string>()
  for (const [id, name, deletedAtMs] of rows) {
    const file = folder.databaseFile(id as string)
    if (existsSync(file)) kept.add(id as string)
    else if (deletedAtMs === null) {
      throw new DataFolderError(
        `database "${name as string}" has lost its file ${file}; start over with --fresh`,
      )
    } else query('delete from databases where id = ?', [id as string])
  }
  folder.removeOtherDatabases(kept)
}

function orRefuse<T>({ catalogueFile }: DataFolder, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const reason = (error as Error).message
    throw new DataFolderError(
      `${catalogueFile} cannot be used: ${reason}. Choose another folder, or start over with --fresh`,
    )
  }
}

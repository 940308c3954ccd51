/**
 * Keeps the connections of closed streams for the next stream of the same database. Opening one costs little; closing
 * one does (see `engine.ts`), and the last close of a database writes its whole log back. Of what a connection did, the
 * next stream sees `total_changes()` alone.
 */
import { openConnection, type Connection } from './engine.ts'
import { MAX_IDLE_CONNECTIONS } from '../limits.ts'

export interface Connections {
  /** A connection in autocommit mode with default settings. */
  take(file: string): Connection
  /** Rolls back what is open. `isClean: false` when settings of the connection were changed: then it is closed. */
  giveBack(file: string, connection: Connection, isClean: boolean): void
  /** Closes the idle connections of one database, or of all. */
  closeIdle(file?: string): void
}

/** @param isTemporary whether the files go with this process */
export function createConnections({ isTemporary }: { isTemporary: boolean }): Connections {
  /** Longest idle first. */
  let idle: { file: string; connection: Connection }[] = []

  return {
    take(file) {
      const index = idle.findLastIndex((entry) => entry.file === file)
      const [entry] = index === -1 ? [] : idle.splice(index, 1)
      return entry?.connection ?? open(file, isTemporary)
    },
    giveBack(file, connection, isClean) {
      if (!isClean || connection.isBroken) {
        connection.close()
        return
      }
      connection.reset()
      // The next stream would see what is temporary, and lose there what it means to keep.
      if (connection.query('select 1 from sqlite_temp_schema limit 1').length > 0) {
        connection.close()
        return
      }
      idle.push({ file, connection })
      if (idle.length > MAX_IDLE_CONNECTIONS) idle.shift()?.connection.close()
    },
    closeIdle(file) {
      const closing = idle.filter((entry) => file === undefined || entry.file === file)
      idle = idle.filter((entry) => !closing.includes(entry))
      for (const { connection } of closing) connection.close()
    },
  }
}

function open(file: string, isTemporary: boolean): Connection {
  const connection = openConnection(file)
  // A crash of the process loses nothing with `normal`, only a crash of the machine does.
  const synchronous = isTemporary ? 'off' : 'normal'
  connection.run(`pragma foreign_keys = on; pragma synchronous = ${synchronous}; pragma temp_store = memory`)
  return connection
}

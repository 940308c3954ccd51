/**
 * Gives every stream a connection that is as good as new, as sqld does. One that has only read is indistinguishable from
 * a new one and serves the next stream; one that has changed anything is closed. Opening one costs a tenth of a
 * millisecond and more with a large schema, and closing one means work for the garbage collector.
 */
import { openConnection, type Connection } from './engine.ts'
import { collectGarbage } from './garbage.ts'
import { MAX_IDLE_CONNECTIONS, MAX_UNFINALISED_CONNECTIONS } from '../limits.ts'

export interface Connections {
  /** A connection in autocommit mode with default settings, which has changed nothing yet. */
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
  /** Closed by us, and open until the garbage collector has come. */
  let unfinalised = 0

  const keep = (file: string, connection: Connection) => {
    idle.push({ file, connection })
    if (idle.length > MAX_IDLE_CONNECTIONS) close(idle.shift()!.connection)
  }

  const close = (connection: Connection) => {
    connection.close()
    unfinalised++
    if (unfinalised < MAX_UNFINALISED_CONNECTIONS) return
    unfinalised = 0
    collectGarbage()
  }

  return {
    take(file) {
      const index = idle.findLastIndex((entry) => entry.file === file)
      const [entry] = index === -1 ? [] : idle.splice(index, 1)
      return entry?.connection ?? open(file, isTemporary)
    },
    giveBack(file, connection, isClean) {
      if (!connection.isBroken) connection.rollback()
      if (isClean && !connection.isBroken && connection.isAsGoodAsNew()) return keep(file, connection)
      try {
        // The last close of a database writes its whole log back.
        if (!idle.some((entry) => entry.file === file)) keep(file, open(file, isTemporary))
      } finally {
        close(connection)
      }
    },
    closeIdle(file) {
      const closing = idle.filter((entry) => file === undefined || entry.file === file)
      idle = idle.filter((entry) => !closing.includes(entry))
      for (const { connection } of closing) close(connection)
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

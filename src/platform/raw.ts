/** What several answers have. */

/** An answer as sent, with the members that this library does not know yet. */
export interface Raw {
  raw: Record<string, unknown>
}

/** Counted in the calendar month, or in the time that was asked for. */
export interface Usage {
  rowsRead: number
  rowsWritten: number
  storageBytes: number
  bytesSynced?: number
}

/**
 * The records of an object's streams: in memory only until the database has said yes, for of strangers nothing is kept, and
 * stored from then on.
 */
import { isUnused } from './calls.ts'
import { deadlineOf, isEnded, type StreamLimits, type StreamState } from './state.ts'
import type { StreamRecord, StreamStore } from './store.ts'

export interface Records {
  read: (id: string) => StreamRecord | undefined
  /** Whether there is such a stream, and it has not ended. */
  isOpen: (id: string) => boolean
  /** Of a stream that the database does not know yet. */
  begin: (id: string, record: StreamRecord) => void
  /** @returns `false` when nothing is kept of the stream: by its state, which is `null` or as good as new */
  write: (id: string, record: StreamRecord, state: StreamState | null) => boolean
  all: () => [id: string, record: StreamRecord][]
}

/** @param wakeBy asks for a look at the limits by then */
export function createRecords(
  store: StreamStore,
  limits: StreamLimits,
  wakeBy: (at: number) => void,
): Records {
  const unstored = new Map<string, StreamRecord>()
  const read = (id: string): StreamRecord | undefined => unstored.get(id) ?? store.read(id)

  function keep(id: string, record: StreamRecord): void {
    unstored.delete(id)
    store.write(id, record)
    const deadline = deadlineOf(record.state, limits)
    if (deadline !== null) wakeBy(deadline)
  }

  return {
    read,
    isOpen(id) {
      const state = read(id)?.state
      return state !== undefined && !isEnded(state)
    },
    begin: (id, record) => void unstored.set(id, record),
    write(id, record, state) {
      const isStored = !unstored.has(id)
      if (state === null || (!isStored && (state.kind === 'lost' || isUnused(state)))) {
        if (!unstored.delete(id)) store.remove(id)
        return false
      }
      if (!isStored && state.kind === 'in_flight') unstored.set(id, { ...record, state })
      else keep(id, { ...record, state })
      return true
    },
    all: () => [...store.list(), ...unstored],
  }
}

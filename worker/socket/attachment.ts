/** What belongs to a WebSocket as long as it is open. */
import type { LogFields } from '../log.ts'
import type { StreamStatus } from './memory.ts'

/** What the Worker has found out about an upgrade. */
export interface SocketOrder {
  tenantId: string
  /** Where the tenant's database is; ends with a slash. */
  databaseUrl: string
  /** Of Hrana, 2 or 3, and the subprotocol that says so. */
  version: number
  subprotocol: string
  /** Of the upgrade, for the log. */
  requestId?: string
  /** Where the object was wished for. */
  hint?: string | null
}

/** The header of an upgrade in which the Worker tells the object about it: a {@link SocketOrder} as JSON, percent-encoded. */
export const SOCKET_ORDER = 'x-socket-order'

/** What is attached to the socket, and so outlives an instance but not the socket. */
export interface Attachment extends Omit<SocketOrder, 'subprotocol'> {
  helloBy: number
  isGreeted: boolean
  streams: Map<number, StreamStatus>
  cursors: Map<number, number>
  /** Requests wait for an answer, which only the instance that has them can give. */
  isBusy: boolean
  /** Closed by us: nothing is left to be done. */
  isOver: boolean
}

export const newAttachment = (
  { tenantId, databaseUrl, version, requestId, hint = null }: SocketOrder,
  helloBy: number,
): Attachment => ({
  tenantId,
  databaseUrl,
  version,
  ...(requestId === undefined ? {} : { requestId }),
  hint,
  helloBy,
  isGreeted: false,
  streams: new Map(),
  cursors: new Map(),
  isBusy: false,
  isOver: false,
})

/** What the log says beside what happened. */
export const loggedOf = ({ tenantId, requestId }: Attachment): LogFields => ({
  tenant: tenantId,
  request_id: requestId,
})

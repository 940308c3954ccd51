/** How Hrana runs over a WebSocket: its versions, and the codes that close it. Pure. */
import { HELLO_MS } from '../limits.ts'

/** The client broke the protocol, or a limit. Nothing can be answered any more: the socket is closed. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
  /** https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
  readonly closeCode: number

  /** @param message at most 123 bytes, as a close frame holds no more */
  constructor(closeCode: number, message: string) {
    super(message)
    this.closeCode = closeCode
  }
}

export const NO_HELLO_IN_TIME = `No valid hello came within ${HELLO_MS} ms`

export interface Subprotocol {
  name: string
  /** Of Hrana, 2 or 3. */
  version: number
}

const VERSIONS: Record<string, number> = { hrana3: 3, hrana2: 2 }

/**
 * The subprotocol for a client, its choice being ours as in sqld: the newest that both know.
 *
 * @param offered the header `Sec-WebSocket-Protocol`
 * @returns `undefined` if there is none. A client that offers none at all expects hrana1, which has no stored SQL and no
 *   second hello, and which nobody speaks any more.
 */
export function chooseSubprotocol(offered: string | null): Subprotocol | undefined {
  const names = (offered ?? '').split(',').map((name) => name.trim().toLowerCase())
  const name = Object.keys(VERSIONS).find((known) => names.includes(known))
  return name === undefined ? undefined : { name, version: VERSIONS[name]! }
}

export const SUBPROTOCOLS = Object.keys(VERSIONS)

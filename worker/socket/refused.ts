/**
 * A WebSocket that is opened only to say why nothing runs on it: of an upgrade that is refused clients tell the status, and
 * nothing of its body. It wakes no object, and is over with its first message.
 */
import type { HranaError } from '../hrana/error.ts'
import { HELLO_MS } from '../limits.ts'
import { parseHello } from './message.ts'
import { NO_HELLO_IN_TIME, ProtocolViolation } from './protocol.ts'
import { helloError } from './response.ts'

/** @returns the client's side of it */
export function openRefused(version: number, error: HranaError, helloMs: number = HELLO_MS): WebSocket {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  const close = (code?: number, reason?: string): void => {
    clearTimeout(timer)
    server.close(code, reason)
  }
  const timer = setTimeout(() => close(1008, NO_HELLO_IN_TIME), helloMs)
  server.addEventListener(
    'message',
    ({ data }) => {
      try {
        parseHello(data as string | ArrayBuffer, version)
        server.send(helloError(error))
        close(1008, error.code)
      } catch (violation) {
        if (!(violation instanceof ProtocolViolation)) throw violation
        close(violation.closeCode, violation.message)
      }
    },
    { once: true },
  )
  server.addEventListener('close', () => close())
  server.addEventListener('error', () => clearTimeout(timer))
  return client
}

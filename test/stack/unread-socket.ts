import { request } from 'node:http'
import type { Socket } from 'node:net'

/** Speaks hrana3 without reading a single answer: `WebSocket` reads, whether anybody listens or not. */
export interface UnreadSocket {
  ask: (request: object) => void
  close: () => void
}

export async function openUnreadSocket(url: string, jwt: string): Promise<UnreadSocket> {
  const socket = await upgrade(url)
  let requestId = 0
  const send = (message: object): void => void socket.write(toFrame(Buffer.from(JSON.stringify(message))))
  send({ type: 'hello', jwt })
  return {
    ask: (asked) => send({ type: 'request', request_id: requestId++, request: asked }),
    close: () => socket.resetAndDestroy(),
  }
}

function upgrade(url: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
      'sec-websocket-protocol': 'hrana3',
    }
    request(url, { headers })
      .on('upgrade', (_, socket: Socket) => resolve(socket.on('error', () => undefined)))
      .on('error', reject)
      .end()
  })
}

/** A text message, masked with zeros. */
function toFrame(text: Buffer): Buffer {
  const head = Buffer.from([0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(text.length, 2)
  return Buffer.concat([head, text])
}

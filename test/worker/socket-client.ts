/** A client of the gateway's WebSocket that says exactly what a test wants it to say. */
import { expect } from 'vitest'
import { call } from './client.ts'

export interface ServerMessage {
  type: string
  request_id?: number
  response?: { type: string; [member: string]: unknown }
  error?: { message: string; code: string; outcome?: string }
}

export interface SocketClient {
  send: (message: object | string | ArrayBuffer) => void
  /** The next message, in the order of arrival. */
  next: () => Promise<ServerMessage>
  /** Sends a request and resolves with the answer to it, whatever else comes before. */
  ask: (request: object) => Promise<ServerMessage>
  /** Likewise; fails unless it is a `response_ok`. */
  get: (request: object) => Promise<NonNullable<ServerMessage['response']>>
  /** How the server has closed the socket. */
  closed: Promise<{ code: number; reason: string }>
  close: (code?: number, reason?: string) => void
}

export function upgrade(
  tenant: string,
  protocols: string | null = 'hrana3',
  headers: Record<string, string> = {},
): Promise<Response> {
  const offered: Record<string, string> = protocols === null ? {} : { 'sec-websocket-protocol': protocols }
  return call(`/t/${tenant}/`, { headers: { upgrade: 'websocket', ...offered, ...headers } })
}

export async function openSocket(...order: Parameters<typeof upgrade>): Promise<SocketClient> {
  const response = await upgrade(...order)
  expect(response.status).toBe(101)
  const socket = response.webSocket!
  const arrived: ServerMessage[] = []
  const waiting: ((message: ServerMessage) => void)[] = []
  const asked = new Map<number, (message: ServerMessage) => void>()
  let nextId = 0
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data as string) as ServerMessage
    const answered = asked.get(message.request_id ?? -1)
    if (answered !== undefined) answered(message)
    else if (waiting.length > 0) waiting.shift()!(message)
    else arrived.push(message)
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason })),
  )
  socket.accept()

  const send: SocketClient['send'] = (message) =>
    socket.send(
      typeof message === 'string' || message instanceof ArrayBuffer ? message : JSON.stringify(message),
    )
  const ask: SocketClient['ask'] = (request) => {
    const id = (nextId += 1) + 1_000_000
    return new Promise((resolve, reject) => {
      asked.set(id, (message) => {
        asked.delete(id)
        resolve(message)
      })
      closed.then(({ code, reason }) => reject(new Error(`closed with ${code}: ${reason}`))).catch(reject)
      send({ type: 'request', request_id: id, request })
    })
  }
  return {
    send,
    next: () =>
      arrived.length > 0
        ? Promise.resolve(arrived.shift()!)
        : new Promise((resolve) => waiting.push(resolve)),
    ask,
    async get(request) {
      const message = await ask(request)
      if (message.type !== 'response_ok') throw new Error(JSON.stringify(message.error))
      return message.response!
    },
    closed,
    close: (code, reason) => socket.close(code, reason),
  }
}

/** Opened, and greeted with this token. */
export async function greet(token: string, ...order: Parameters<typeof upgrade>): Promise<SocketClient> {
  const client = await openSocket(...order)
  client.send({ type: 'hello', jwt: token })
  expect(await client.next()).toEqual({ type: 'hello_ok' })
  return client
}

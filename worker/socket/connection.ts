/**
 * One WebSocket as the protocol sees it: who may say what when, and how much of it may wait for an answer.
 */
import { MAX_SOCKET_PENDING, MAX_SOCKET_PENDING_CHARACTERS } from '../limits.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { UNREACHABLE } from './authenticate.ts'
import type { UpstreamStreams } from './lanes.ts'
import type { ConnectionMemory } from './memory.ts'
import { parseHello, parseMessage, type ClientMessage, type HelloMessage } from './message.ts'
import { NO_HELLO_IN_TIME, ProtocolViolation } from './protocol.ts'
import { createRequests } from './requests.ts'
import { HELLO_OK, helloError, type ToldError } from './response.ts'

export interface ConnectionPorts {
  /** 2 or 3. */
  version: number
  memory: ConnectionMemory
  streams: UpstreamStreams
  send: (message: string) => void
  close: (code: number, reason: string) => void
  /** Asks the database about a token, which is used from then on if it says yes. */
  authenticate: (jwt: string | null) => Promise<ToldError | null>
  /** A text was stored, or with `null` is forgotten. */
  keepSql: (sqlId: number, sql: string | null) => void
  /** Streams or cursors are others now, or whether anything waits for an answer. */
  changed: (isBusy: boolean) => void
  /** Asks for a {@link Connection.tick} by then. */
  wakeBy: (at: number) => void
  now: () => number
  /** What the log says beside what happened. */
  logged: LogFields
}

export interface Connection {
  receive: (message: string | ArrayBuffer) => void
  /** Sees to cursors that nobody reads. */
  tick: () => void
  /** Nobody was let in within the time for it: closes the socket, and says whose the time was. */
  expire: () => void
  /** Closes the socket, and lets go of everything. */
  shut: (code: number, reason: string) => void
  /** The client has closed it. */
  left: () => void
}

export function createConnection(ports: ConnectionPorts): Connection {
  const { memory, logged } = ports
  const requests = createRequests({
    ...ports,
    answer,
    reweigh(message, size) {
      weigh(size - message.size)
      message.size = size
    },
    opened: () => ports.changed(true),
    failed: fail,
  })
  let state: 'silent' | 'greeting' | 'open' | 'ended' = memory.isGreeted ? 'open' : 'silent'
  /** Came while the database was asked about a token, and are not looked at before it has accepted that. */
  let backlog: (string | ArrayBuffer)[] = []
  let pending = 0
  let pendingCharacters = 0

  const is = (expected: typeof state): boolean => state === expected

  function receive(raw: string | ArrayBuffer): void {
    if (is('ended')) return
    try {
      pending += 1
      if (pending === 1) ports.changed(true)
      weigh(sizeOf(raw))
      if (is('greeting')) backlog.push(raw)
      else handle(raw)
    } catch (error) {
      fail(error)
    }
  }

  /** There is no way to stop reading from a socket: whoever sends more than can be held is cut off. */
  function weigh(characters: number): void {
    pendingCharacters += characters
    if (pending > MAX_SOCKET_PENDING || pendingCharacters > MAX_SOCKET_PENDING_CHARACTERS)
      throw new ProtocolViolation(
        1008,
        `More than ${MAX_SOCKET_PENDING} requests or ${MAX_SOCKET_PENDING_CHARACTERS} characters wait for an answer`,
      )
  }

  function answer(message: ClientMessage, text: string): void {
    if (is('ended')) return
    ports.send(text)
    pending -= 1
    pendingCharacters -= message.size
    if (pending === 0) ports.changed(false)
  }

  function fail(error: unknown): void {
    if (error instanceof ProtocolViolation) {
      shut(error.closeCode, error.message)
    } else {
      log('error', 'socket_failed', { ...logged, detail: errorText(error) })
      shut(1011, 'Something went wrong here. What was under way may have taken effect')
    }
  }

  function handle(raw: string | ArrayBuffer): void {
    const message = (is('silent') ? parseHello : parseMessage)(raw, ports.version)
    if (message.type === 'hello') greet(message).catch(fail)
    else requests.handle(message)
  }

  async function greet(hello: HelloMessage): Promise<void> {
    state = 'greeting'
    const refusal = await ports.authenticate(hello.jwt)
    if (is('ended')) return
    if (refusal !== null) {
      answer(hello, helloError(refusal))
      shut(1008, 'The token was not accepted')
      return
    }
    memory.isGreeted = true
    ports.changed(true)
    state = 'open'
    answer(hello, HELLO_OK)
    const waiting = backlog
    backlog = []
    for (const raw of waiting) {
      if (is('greeting')) backlog.push(raw)
      else if (!is('ended')) handle(raw)
    }
  }

  function expire(): void {
    if (!is('greeting')) return shut(1008, NO_HELLO_IN_TIME)
    ports.send(helloError(UNREACHABLE))
    shut(1008, UNREACHABLE.code)
  }

  function shut(code: number, reason: string): void {
    if (is('ended')) return
    left()
    ports.close(code, reason)
  }

  function left(): void {
    state = 'ended'
    backlog = []
    requests.end()
  }

  return {
    receive,
    tick: requests.tick,
    expire,
    shut,
    left,
  }
}

const sizeOf = (raw: string | ArrayBuffer): number => (typeof raw === 'string' ? raw.length : raw.byteLength)

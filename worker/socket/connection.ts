/**
 * One WebSocket as the protocol sees it: who may say what when, and how much of it may wait for an answer.
 */
import { MAX_SOCKET_PENDING } from '../limits.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { UNREACHABLE } from './authenticate.ts'
import { memoryOf, type Held, type Inbox } from './inbox.ts'
import type { UpstreamStreams } from './lanes.ts'
import type { ConnectionMemory } from './memory.ts'
import {
  NO_ROOM_FOR_MESSAGE,
  parseHello,
  parseMessage,
  parseOverloading,
  type HelloMessage,
  type RequestMessage,
} from './message.ts'
import { NO_HELLO_IN_TIME, ProtocolViolation } from './protocol.ts'
import { createRequests } from './requests.ts'
import { HELLO_OK, helloError, type ToldError } from './response.ts'

export interface ConnectionPorts {
  /** 2 or 3. */
  version: number
  memory: ConnectionMemory
  streams: UpstreamStreams
  /** Of those that the database has let in, and of strangers, who are to take no room from them. */
  inboxes: { greeted: Inbox; strangers: Inbox }
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

/** A message, and its place among all others. */
interface Received {
  raw: string | ArrayBuffer
  held: Held
}

export function createConnection(ports: ConnectionPorts): Connection {
  const { memory, logged } = ports
  const requests = createRequests({
    ...ports,
    answer,
    opened: () => ports.changed(true),
    failed: fail,
  })
  let state: 'silent' | 'greeting' | 'open' | 'ended' = memory.isGreeted ? 'open' : 'silent'
  /** Came while the database was asked about a token, and are not looked at before it has accepted that. */
  let backlog: (Received | RequestMessage)[] = []
  let pending = 0

  const is = (expected: typeof state): boolean => state === expected

  function receive(raw: string | ArrayBuffer): void {
    if (is('ended')) return
    try {
      pending += 1
      if (pending === 1) ports.changed(true)
      // There is no way to stop reading from a socket: whoever sends more than can be held is cut off.
      if (pending > MAX_SOCKET_PENDING)
        throw new ProtocolViolation(1008, `More than ${MAX_SOCKET_PENDING} requests wait for an answer`)
      if (is('silent')) greet(parseHello(raw, ports.version)).catch(fail)
      else if (is('greeting')) putOff(raw)
      else take(raw)
    } catch (error) {
      fail(error)
    }
  }

  /** Who has been let in may have transactions open; strangers have nothing that a closed socket could cost them. */
  function putOff(raw: string | ArrayBuffer): void {
    const { greeted, strangers } = ports.inboxes
    const held = (memory.isGreeted ? greeted : strangers).hold(memoryOf(raw))
    if (held !== null) backlog.push({ raw, held })
    else if (memory.isGreeted) backlog.push(parseOverloading(raw))
    else throw new ProtocolViolation(1013, NO_ROOM_FOR_MESSAGE)
  }

  function take(raw: string | ArrayBuffer): void {
    const held = ports.inboxes.greeted.hold(memoryOf(raw))
    if (held === null) requests.handle(parseOverloading(raw), null)
    else handle({ raw, held })
  }

  function handle({ raw, held }: Received): void {
    try {
      const message = parseMessage(raw, ports.version)
      if (message.type === 'request') return requests.handle(message, held)
      held.release()
      greet(message).catch(fail)
    } catch (error) {
      held.release()
      throw error
    }
  }

  function answer(text: string): void {
    if (is('ended')) return
    ports.send(text)
    pending -= 1
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

  async function greet(hello: HelloMessage): Promise<void> {
    state = 'greeting'
    const refusal = await ports.authenticate(hello.jwt)
    if (is('ended')) return
    if (refusal !== null) {
      answer(helloError(refusal))
      shut(1008, 'The token was not accepted')
      return
    }
    memory.isGreeted = true
    ports.changed(true)
    state = 'open'
    answer(HELLO_OK)
    // Behind another hello they wait on.
    for (let next = backlog.shift(); next !== undefined; next = is('open') ? backlog.shift() : undefined) {
      if ('held' in next) {
        next.held.release()
        take(next.raw)
      } else requests.handle(next, null)
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
    for (const received of backlog) if ('held' in received) received.held.release()
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

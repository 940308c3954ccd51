/**
 * Durable Object, one per WebSocket: speaks Hrana with a client and holds its streams upstream, over HTTP.
 *
 * It may hibernate between any two messages. What it needs then is stored, the caller's token under a key of the Worker's;
 * what only the socket needs is attached to the socket and goes with it.
 */
import { DurableObject } from 'cloudflare:workers'
import { isOwnSecret } from '../api-key.ts'
import { readConfiguration } from '../configuration.ts'
import { OWN_SECRET } from '../hrana/error.ts'
import {
  HELLO_MS,
  ROOM_FOR_SOCKET_MESSAGES_BYTES,
  ROOM_FOR_STRANGERS_MESSAGES_BYTES,
  SMALL_SOCKET_MESSAGES_BYTES,
  SOCKET_CHECK_MS,
  SOCKET_MESSAGES_LAST_MS,
  SOCKET_SLOTS,
} from '../limits.ts'
import { errorText, log, type LogFields } from '../log.ts'
import { createAdmission } from '../session/admission.ts'
import { createAlarm } from '../session/alarm.ts'
import { STREAM_LIMITS } from '../session/limits.ts'
import { createStreamStore, type Holder } from '../session/store.ts'
import { createStreams } from '../session/streams.ts'
import type { StreamView } from '../session/view.ts'
import {
  loggedOf,
  newAttachment,
  SOCKET_ORDER,
  type Attachment,
  type SocketOrder,
} from '../socket/attachment.ts'
import { authenticate } from '../socket/authenticate.ts'
import { createConnection, type Connection } from '../socket/connection.ts'
import { createInboxes } from '../socket/inbox.ts'
import type { ConnectionMemory } from '../socket/memory.ts'
import type { ToldError } from '../socket/response.ts'
import { openToken, sealToken } from '../socket/sealed-token.ts'
import { createSlots } from '../socket/slots.ts'
import { createTenantWatch } from '../socket/tenant-watch.ts'
import { createUpstreamStreams } from '../socket/upstream-streams.ts'

const INBOX = { ownBytes: SMALL_SOCKET_MESSAGES_BYTES, lastsMs: SOCKET_MESSAGES_LAST_MS }
/** Of all sockets in this isolate. */
const openInbox = createInboxes({ bytes: ROOM_FOR_SOCKET_MESSAGES_BYTES, ...INBOX })
const openStrangersInbox = createInboxes({ bytes: ROOM_FOR_STRANGERS_MESSAGES_BYTES, ...INBOX })

export class Socket extends DurableObject<Env> {
  readonly #alarm = createAlarm(this.ctx)
  readonly #store = createStreamStore(this.ctx.storage.kv)
  readonly #streams = createStreams({
    store: this.#store,
    limits: { ...STREAM_LIMITS, parkedMs: null },
    waitUntil: (work) => this.ctx.waitUntil(work),
    wakeBy: this.#alarm.wakeBy,
    recallCaller: () => (this.#token === null ? null : { token: this.#token, logged: this.#logged }),
    admission: createAdmission(this.env, this.ctx, () => this.#holder),
  })
  #holder: Holder | null = null
  readonly #slots = createSlots(SOCKET_SLOTS)
  #token: string | null = null
  #logged: LogFields = {}
  #connection: Connection | null = null
  #watch: (() => Promise<string | null>) | null = null

  constructor(state: DurableObjectState, env: Env) {
    super(state, env)
    void state.blockConcurrencyWhile(() => this.#resume(state.getWebSockets()[0]))
  }

  /** The upgrade, which the Worker has checked. */
  override fetch(request: Request): Response {
    const order = JSON.parse(decodeURIComponent(request.headers.get(SOCKET_ORDER)!)) as SocketOrder
    const { 0: client, 1: server } = new WebSocketPair()
    const helloBy = Date.now() + HELLO_MS
    this.ctx.acceptWebSocket(server)
    this.#alarm.wakeBy(helloBy)
    const attachment = newAttachment(order, helloBy)
    server.serializeAttachment(attachment)
    this.#token = bearerToken(request.headers)
    this.#connection = this.#connect(server, attachment)
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { 'sec-websocket-protocol': order.subprotocol },
    })
  }

  override webSocketMessage(_: WebSocket, message: string | ArrayBuffer): void {
    this.#connection?.receive(message)
    this.ctx.waitUntil(this.#lookAtTenant())
  }

  /** Beside what was received, which it does not delay. */
  async #lookAtTenant(): Promise<void> {
    try {
      const reason = await this.#watch?.()
      if (reason != null) this.#connection?.shut(1008, reason)
    } catch (error) {
      log('warn', 'socket_tenant_unknown', { tenant: this.#holder?.tenantId, detail: errorText(error) })
    }
  }

  override async webSocketClose(socket: WebSocket, code: number, reason: string): Promise<void> {
    await this.#leave(socket)
    try {
      socket.close(code, reason)
    } catch {
      // Most clients say no code, which is received as one that must not be sent; unanswered, they would wait.
      socket.close()
    }
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.#leave(socket)
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    const [socket] = this.ctx.getWebSockets()
    // A deploy drops sockets without a word. What is open upstream ends by the database's own limit.
    if (socket === undefined || this.#connection === null) return await this.#forget()
    const { isGreeted, helloBy } = socket.deserializeAttachment() as Attachment
    if (!isGreeted && Date.now() >= helloBy) {
      this.#connection.expire()
      return
    }
    this.#alarm.wakeBy(isGreeted ? Date.now() + SOCKET_CHECK_MS : helloBy)
    this.#connection.tick()
    this.#streams.tick()
  }

  /** Goes on with a socket that another instance has left. */
  async #resume(socket: WebSocket | undefined): Promise<void> {
    const attachment = socket?.deserializeAttachment() as Attachment | undefined
    if (socket === undefined || attachment === undefined || attachment.isOver) return
    const sealed = this.ctx.storage.kv.get<Uint8Array<ArrayBuffer>>('token')
    const { batonKeys } = readConfiguration(this.env)
    if (sealed !== undefined) this.#token = await openToken(sealed, this.#owner(attachment), batonKeys)
    const connection = this.#connect(socket, attachment)
    this.#connection = connection
    if (attachment.isBusy)
      connection.shut(1012, 'The server restarted. What was under way may have taken effect')
    else if (attachment.isGreeted && this.#token === null)
      connection.shut(1012, 'The token is not readable any more: connect again')
  }

  describe(): StreamView[] {
    return this.#streams.list()
  }

  tenant(): string | null {
    return this.#connection === null ? null : (this.#holder?.tenantId ?? null)
  }

  kill(): boolean {
    if (this.#connection === null) return false
    for (const { id } of this.#streams.list()) this.#streams.kill(id)
    this.#connection.shut(1001, KILLED)
    return true
  }

  /** Lets transactions end until then, and has the streams let go of the database. */
  drain(by: number): void {
    for (const { id } of this.#streams.list()) this.#streams.drain(id, by)
  }

  #connect(socket: WebSocket, attachment: Attachment): Connection {
    const { tenantId, hint = null } = attachment
    this.#holder = { tenantId, kind: 'websocket', hint }
    const { databaseUrl, version, isGreeted, streams, cursors } = attachment
    this.#watch = createTenantWatch(this.env, tenantId, databaseUrl)
    const texts = Array.from(this.ctx.storage.kv.list<string>({ prefix: 'text/' }), ([key, sql]) => {
      return [Number(key.slice('text/'.length)), sql] as const
    })
    const memory: ConnectionMemory = { isGreeted, streams, cursors, texts: new Map(texts) }
    const { baseUrlSuffixes } = readConfiguration(this.env)
    const logged = loggedOf(attachment)
    this.#logged = logged
    const save = (isBusy: boolean): void => {
      attachment.isGreeted = memory.isGreeted
      attachment.isBusy = isBusy
      socket.serializeAttachment(attachment)
    }
    const upstream = createUpstreamStreams({
      streams: this.#streams,
      isInTransaction: (id) => this.#store.read(id)?.state.kind === 'in_transaction',
      slots: this.#slots,
      statuses: streams,
      changed: () => save(true),
      destination: () => ({
        databaseUrl,
        baseUrlSuffixes,
        token: this.#token!,
        isTokenAccepted: memory.isGreeted,
        logged,
      }),
    })
    return createConnection({
      version,
      memory,
      logged,
      inboxes: { greeted: openInbox(), strangers: openStrangersInbox() },
      now: () => Date.now(),
      wakeBy: this.#alarm.wakeBy,
      changed: save,
      send: (message) => socket.send(message),
      close: (code, reason) => {
        attachment.isOver = true
        socket.serializeAttachment(attachment)
        this.ctx.waitUntil(this.#forget())
        // It may have been closed by the client in this very moment.
        if (socket.readyState === WebSocket.OPEN) socket.close(code, reason)
      },
      authenticate: (jwt) => this.#authenticate(jwt, attachment),
      keepSql: (sqlId, sql) => {
        if (sql === null) this.ctx.storage.kv.delete(`text/${sqlId}`)
        else this.ctx.storage.kv.put(`text/${sqlId}`, sql)
      },
      streams: upstream,
    })
  }

  /** The token is kept only once the database has accepted it. */
  async #authenticate(jwt: string | null, attachment: Attachment): Promise<ToldError | null> {
    const token = jwt ?? this.#token
    const connection = this.#connection
    const configuration = readConfiguration(this.env)
    if (token !== null && (await isOwnSecret(token, configuration))) return OWN_SECRET
    const refusal = await authenticate(attachment.databaseUrl, token, loggedOf(attachment))
    if (refusal !== null || token === null) return refusal
    const { batonKeys } = configuration
    const sealed = await sealToken(token, this.#owner(attachment), batonKeys[0])
    // The socket has ended meanwhile, and what was stored for it is deleted.
    if (this.#connection !== connection) return null
    this.#token = token
    this.ctx.storage.kv.put('token', sealed)
    this.#alarm.wakeBy(Date.now() + SOCKET_CHECK_MS)
    return null
  }

  #owner({ tenantId }: Attachment): { objectId: string; tenantId: string } {
    return { objectId: this.ctx.id.toString(), tenantId }
  }

  async #leave(socket: WebSocket): Promise<void> {
    // Who is woken by this does not see the socket among the open ones.
    if (this.#connection === null) await this.#resume(socket)
    this.#connection?.left()
    await this.#forget()
  }

  async #forget(): Promise<void> {
    this.#connection = null
    for (const { id } of this.#streams.list()) this.#streams.leave(id)
    await this.ctx.storage.deleteAll()
    this.#alarm.rang()
  }
}

function bearerToken(headers: Headers): string | null {
  return /^Bearer +([\x21-\x7e]+) *$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null
}

/** The reason of a close has 123 bytes at most. */
const KILLED =
  'SESSION_KILLED: closed by an operator. Open transactions are rolled back, a request under way may have taken effect'

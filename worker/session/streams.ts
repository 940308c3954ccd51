/**
 * The streams of one object: carries out what the machine says, one request at a time on each, with every state stored
 * before what follows from it leaves the object.
 */
import { invalidRequestError, type HranaError } from '../hrana/error.ts'
import { ABANDONED_CALL_MS } from '../limits.ts'
import { textOf } from '../memory/bytes.ts'
import type { Admission } from './admission.ts'
import {
  refuse,
  withoutResults,
  isHolding,
  isSame,
  withUsage,
  type CursorAnswer,
  type Refused,
  type Sending,
  type StreamAnswer,
  type StreamCall,
} from './calls.ts'
import { openCursor, settleCursor, type OpenCursor } from './cursor.ts'
import { closeUpstream, exchange, type Exchanged, type Flight, type StreamCaller } from './exchange.ts'
import { createFlight, type FlightController } from './flight.ts'
import { advance } from './machine.ts'
import { placeFor, withoutPlace, type Place } from './places.ts'
import { Queue, QueueError, type QueueLimits } from './queue.ts'
import { describeRefusal, QUEUE_FULL, QUEUE_TIMEOUT, STREAM_LOST } from './refusals.ts'
import { createRecords } from './records.ts'
import { readBatch, readRequests, type RequestFacts } from './requests.ts'
import {
  deadlineOf,
  newStream,
  type Step,
  type StreamEvent,
  type StreamInFlight,
  type StreamLimits,
} from './state.ts'
import { NO_USAGE, RECORD_VERSION, type StreamRecord, type StreamStore } from './store.ts'
import { viewOf, type StreamView } from './view.ts'

export interface StreamsOptions {
  store: StreamStore
  limits: StreamLimits & QueueLimits
  waitUntil: (work: Promise<unknown>) => void
  /** Asks for a {@link Streams.tick} at this time, or soon after. Earlier ones are asked for again if need be. */
  wakeBy: (at: number) => void
  /** By which right to close streams that an earlier instance has left; without one the database's own limit ends them. */
  recallCaller?: () => StreamCaller | null
  /** Who is asked before a stream is opened upstream, and told of what becomes of it; nobody where nothing is counted. */
  admission?: Admission
  now?: () => number
}

export interface Streams {
  pipeline: (id: string, call: StreamCall) => Promise<StreamAnswer>
  cursor: (id: string, call: StreamCall) => Promise<CursorAnswer>
  /** The client has gone: a request under way is waited for a little, and what is open is rolled back. */
  leave: (id: string) => void
  /** `false` if there is no such stream, or it has ended. */
  isOpen: (id: string) => boolean
  /** @returns `false` if it is not open */
  kill: (id: string) => boolean
  /** Lets its transaction end until then, and has it let go of the database. */
  drain: (id: string, by: number) => void
  /** Sees to all limits that were met. To be called by the alarm. */
  tick: () => void
  list: () => StreamView[]
  /** Where the stream is upstream, `null` if it is nowhere. */
  urlOf: (id: string) => string | null
}

const NOTHING = new Uint8Array()

export function createStreams(options: StreamsOptions): Streams {
  const { store, limits, waitUntil, wakeBy, recallCaller, admission, now = () => Date.now() } = options
  const queues = new Map<string, Queue>()
  /** Cut off what is under way. */
  const flights = new Map<string, FlightController>()
  const records = createRecords(store, limits, wakeBy)
  const { read } = records
  /** What is passing. */
  const cursors = new Map<string, OpenCursor>()
  /** By which right each stream was used last. In memory only, to close it in an orderly way. */
  const callers = new Map<string, StreamCaller>()

  /** The event's step, stored; closing needs nobody to wait for it. */
  function apply(id: string, record: StreamRecord, event: StreamEvent): Step {
    const caller = callers.get(id) ?? recallCaller?.() ?? null
    const step = advance(record.state, event, limits)
    if (step.state !== record.state && !records.write(id, record, step.state)) callers.delete(id)
    if (!isHolding(step.state) && isHolding(record.state)) admission?.release(id)
    const { effect } = step
    if (effect?.kind === 'close' && caller !== null) waitUntil(closeUpstream(effect.upstream, caller))
    return step
  }

  /** The stream as it is now: a limit may have been met, or an instance have gone in the middle of a request. */
  function current(id: string): StreamRecord | undefined {
    const record = read(id)
    if (record === undefined) return undefined
    const { state } = apply(id, record, { kind: 'tick', now: now() })
    if (state?.kind === 'in_flight') apply(id, { ...record, state }, { kind: 'orphaned', now: now() })
    return read(id)
  }

  /** Whether it has the number of the request that is under way, or an earlier one: it would wait to be told so. */
  function isUsed(id: string, { turn }: StreamCall): boolean {
    const state = flights.has(id) ? read(id)?.state : undefined
    return state?.kind === 'in_flight' && typeof turn === 'number' && turn <= state.turn
  }

  async function inTurn<T>(id: string, call: StreamCall, action: () => Promise<T>): Promise<T | Refused> {
    if (isUsed(id, call)) return refuse(describeRefusal({ kind: 'reused' }))
    const queue = queues.get(id) ?? new Queue(limits)
    queues.set(id, queue)
    try {
      return await queue.run(action, call.abandoned)
    } catch (error) {
      if (!(error instanceof QueueError)) throw error
      // Who has abandoned it hears nothing.
      return refuse(error.reason === 'full' ? QUEUE_FULL : QUEUE_TIMEOUT)
    } finally {
      if (!queue.isBusy) queues.delete(id)
    }
  }

  /** Asks the machine for a flight, and begins it; ended by `finally`. */
  async function inFlight<T>(
    id: string,
    call: StreamCall,
    { asks }: RequestFacts,
    fly: (asked: Step, flight: Flight) => Promise<T>,
  ): Promise<T | Refused> {
    const { abandoned } = call
    // Nobody is there any more, and nothing was sent.
    if (abandoned?.aborted === true) return refuse(STREAM_LOST)
    let record = current(id)
    if ((call.turn === 'new') !== (record === undefined)) return refuse(STREAM_LOST)
    if (record === undefined) {
      record = { version: RECORD_VERSION, holder: call.holder, state: newStream(now()), usage: NO_USAGE }
      records.begin(id, record)
      admission?.begin(id)
    }
    const turn = typeof call.turn === 'number' ? call.turn : null
    const asked = apply(id, record, { kind: 'asked', now: now(), turn, asks, isProbe: false })
    if (asked.refusal !== null) return refuse(describeRefusal(asked.refusal))
    const controller = createFlight()
    flights.set(id, controller)
    const leave = (): void => void interrupt(id, { kind: 'left', now: now() })
    abandoned?.addEventListener('abort', leave)
    try {
      return await fly(asked, controller.flight)
    } finally {
      controller.ended()
      abandoned?.removeEventListener('abort', leave)
      flights.delete(id)
    }
  }

  /** What is sent by the machine's word, and from which state. */
  function sending(id: string, call: StreamCall, step: Step): { sent: StreamInFlight } & Sending {
    const { state, effect } = step
    if (effect?.kind !== 'send' || state?.kind !== 'in_flight') throw new TypeError('Nothing is sent')
    callers.set(id, { token: call.token, logged: call.logged })
    return {
      sent: state,
      ...call,
      upstream: effect.upstream,
      stored: store.readSql(id),
      isFirst: state.turn === 0,
    }
  }

  /** The step that an outcome leads to; a refusal if the stream has gone on without it. */
  function conclude(
    id: string,
    sent: StreamInFlight,
    call: StreamCall,
    exchanged: Exchanged,
  ): Step | Refused {
    const record = read(id)
    if (record === undefined || !isSame(record.state, sent)) return overtaken(record, exchanged.event, call)
    const event: StreamEvent = { ...exchanged.event, now: now(), fence: sent.fence }
    return apply(id, withUsage(record, call, exchanged), event)
  }

  /** What came of it, once it is known whether its stream has a place. */
  async function placed(place: Place, exchanged: Exchanged, call: StreamCall): Promise<Exchanged> {
    const error = exchanged.event.kind === 'answered' ? await place.afterwards() : null
    return error ? withoutPlace(exchanged, error, (left) => waitUntil(closeUpstream(left, call))) : exchanged
  }

  /** Sends it, and once more on another upstream stream if the machine says so. */
  async function run(id: string, call: StreamCall): Promise<StreamAnswer> {
    let facts: RequestFacts
    try {
      facts = readRequests(textOf(call.requests), store.readSql(id), call.version)
    } catch {
      return refuse(invalidRequestError('The requests are not what the protocol says'))
    }
    return await inFlight(id, call, facts, async (asked, flight) => {
      let step = asked
      for (;;) {
        const { sent, ...rest } = sending(id, call, step)
        const order = { ...rest, facts, flight }
        const place = placeFor(admission, id, order)
        const exchanged = (await place.before()) ?? (await placed(place, await exchange(order), call))
        const next = conclude(id, sent, call, exchanged)
        if ('kind' in next) return next
        if (next.effect?.kind !== 'send') return answered(id, next, exchanged)
        step = next
      }
    })
  }

  /** @param opened is told when there is a cursor; it resolves when that has ended */
  async function runCursor(
    id: string,
    call: StreamCall,
    opened: (answer: CursorAnswer) => void,
  ): Promise<CursorAnswer | null> {
    const facts = readBatch(textOf(call.requests), store.readSql(id))
    return await inFlight(id, call, facts, async (asked, flight) => {
      let step = asked
      for (;;) {
        const { sent, ...rest } = sending(id, call, step)
        const mayHaveTransaction = facts.mayBegin || sent.before.kind === 'in_transaction'
        const order = Object.assign(rest, { facts, flight })
        const place = placeFor(admission, id, order)
        const cursor = (await place.before()) ?? (await openCursor(order, mayHaveTransaction))
        if ('event' in cursor) {
          const next = conclude(id, sent, call, cursor)
          if ('kind' in next) return next
          if (next.effect?.kind !== 'send') return withoutResults(answered(id, next, cursor))
          step = next
          continue
        }
        // Its end may be far away, and nobody needs the batch until then.
        void place.afterwards()
        const sentBytes = call.requests.length
        call.requests = order.requests = NOTHING
        // Of a first one nothing is stored before its end: whoever goes on after an eviction is told the same either way.
        const cutOff = Promise.withResolvers<HranaError | null>()
        opened({ kind: 'cursor', body: cursor.readable, turn: sent.turn + 1, cutOff: cutOff.promise })
        try {
          cursors.set(id, cursor)
          wakeBy(now() + limits.inFlightMs)
          const isWhole = await cursor.ended
          cursors.delete(id)
          const event = await settleCursor(order, cursor, { isWhole, mayHaveTransaction })
          const { bytes, rows } = cursor.count()
          const ended = {
            event,
            bytes: sentBytes + bytes,
            rows,
            stored: order.stored,
            reply: refuse(STREAM_LOST),
          }
          const next = conclude(id, sent, call, await placed(place, ended, call))
          cutOff.resolve('kind' in next ? next.error : null)
        } finally {
          cutOff.resolve(null)
        }
        return null
      }
    })
  }

  function answered(id: string, { state, refusal }: Step, { event, reply, stored }: Exchanged): StreamAnswer {
    if (refusal !== null) return refuse(describeRefusal(refusal))
    if (reply.kind !== 'results') return reply
    if (state === null) return { ...reply, turn: null }
    // The answer contradicts itself, or the stream was sent about too often.
    if (state.kind !== 'idle' && state.kind !== 'in_transaction') return refuse(STREAM_LOST)
    if (event.kind === 'answered') store.writeSql(id, stored)
    return { ...reply, turn: state.turn }
  }

  /** Whoever ended the stream meanwhile has said why; a stream upstream that nobody knows of is not left open. */
  function overtaken(
    record: StreamRecord | undefined,
    event: Exchanged['event'],
    caller: StreamCaller,
  ): Refused {
    if ((event.kind === 'answered' || event.kind === 'failed') && event.baton !== null)
      waitUntil(closeUpstream({ baton: event.baton, url: event.url, moves: 0 }, caller))
    const { state } = record ?? {}
    return refuse(
      state?.kind === 'killed'
        ? describeRefusal({ kind: 'killed', limit: state.limit, isDoubtful: true })
        : STREAM_LOST,
    )
  }

  function interrupt(id: string, event: StreamEvent, patienceMs = 0): Step | undefined {
    const record = read(id)
    if (record === undefined) return undefined
    const step = apply(id, record, event)
    if (step.state?.kind !== 'in_flight') flights.get(id)?.end(patienceMs)
    return step
  }

  return {
    pipeline: (id, call) => inTurn(id, call, () => run(id, call)),
    cursor: (id, call) =>
      new Promise((resolve, reject) => {
        // It has its turn until its end.
        const work = inTurn(id, call, () => runCursor(id, call, resolve))
        waitUntil(work.then((answer) => answer !== null && resolve(answer), reject))
      }),
    leave: (id) => void interrupt(id, { kind: 'left', now: now() }, ABANDONED_CALL_MS),
    isOpen: records.isOpen,
    kill(id) {
      if (!records.isOpen(id)) return false
      interrupt(id, { kind: 'kill', now: now() }, ABANDONED_CALL_MS)
      return true
    },
    drain(id, by) {
      const step = interrupt(id, { kind: 'drain', now: now(), by }, ABANDONED_CALL_MS)
      if (step?.state?.kind === 'in_flight') wakeBy(by)
    },
    tick() {
      for (const [id, { state: seen }] of records.all()) {
        // A request under way has its own limit, and as a cursor it may take longer than its place lasts: until a drain's end.
        const isUnderWay = flights.has(id)
        const drainBy = (isUnderWay && seen.kind === 'in_flight' ? seen.drainBy : null) ?? Infinity
        if (now() >= drainBy) interrupt(id, { kind: 'tick', now: now() }, ABANDONED_CALL_MS)
        else if (isUnderWay) {
          wakeBy(Math.min(now() + limits.inFlightMs, drainBy))
          admission?.touch(id)
        }
        const state = isUnderWay ? undefined : current(id)?.state
        const deadline = state === undefined ? null : deadlineOf(state, limits)
        if (deadline !== null) wakeBy(deadline)
      }
    },
    urlOf(id) {
      const state = read(id)?.state
      return state?.kind === 'idle' || state?.kind === 'in_transaction' ? (state.upstream?.url ?? null) : null
    },
    list: () => records.all().map(([id, record]) => viewOf(id, record, cursors.get(id)?.count())),
  }
}

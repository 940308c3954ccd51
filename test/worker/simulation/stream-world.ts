/**
 * A database with one client's stream, driven by the shipped machine: each baton is good once, and what stays idle for 10 s
 * is rolled back. Throws when a law is broken.
 */
import fc from 'fast-check'
import { ALL_HISTORY, NO_HISTORY, type HistoryKind } from '../../../worker/session/history.ts'
import { advance } from '../../../worker/session/machine.ts'
import {
  deadlineOf,
  isEnded,
  newStream,
  type Step,
  type StreamEvent,
  type StreamInFlight,
  type StreamLimits,
  type StreamState,
  type Upstream,
} from '../../../worker/session/state.ts'

export const limits: StreamLimits = {
  idleMs: 9_000,
  parkedMs: 3_600_000,
  transactionIdleMs: 9_000,
  transactionTotalMs: 60_000,
  inFlightMs: 75_000,
  memoryMs: 600_000,
  maxMoves: 3,
}

/** What a client sends, and what becomes of it on its way. */
type Program = 'read' | 'begin' | 'commit' | 'close' | 'set' | Write | HistoryKind
type Write = 'insert' | 'update' | 'update_nothing'
/** What a stream would tell of the statements before. */
type Told = Record<HistoryKind, number>
type Fate =
  | 'answered'
  | 'no_state_said'
  | 'sent_elsewhere'
  | 'lost_before'
  | 'lost_after'
  | 'refused'
  | 'restarted'
  /** Something on the way sends it twice, and gives the answer to the second. */
  | 'doubled'
  | 'busy'
  | 'evicted'
type Meanwhile = 'kill' | 'drain' | 'tick' | 'late' | 'ask'
type Action =
  | { kind: 'ask'; program: Program; fate: Fate; turn: 'next' | 'again' | 'none' }
  | { kind: 'wait'; ms: number }
  | { kind: 'kill' | 'leave' | 'drain' | 'tick' | 'late' }
  /** In the middle of the request that follows. */
  | { kind: 'meanwhile'; what: Meanwhile }

export const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('ask' as const),
      program: fc.constantFrom<Program>(
        'read',
        'begin',
        'commit',
        'close',
        'set',
        'insert',
        'update',
        'update_nothing',
        ...ALL_HISTORY,
      ),
      fate: fc.oneof(
        { weight: 6, arbitrary: fc.constant<Fate>('answered') },
        {
          weight: 4,
          arbitrary: fc.constantFrom<Fate>(
            'no_state_said',
            'sent_elsewhere',
            'lost_before',
            'lost_after',
            'refused',
            'restarted',
            'doubled',
            'busy',
            'evicted',
          ),
        },
      ),
      turn: fc.oneof(
        { weight: 6, arbitrary: fc.constant('next' as const) },
        { weight: 1, arbitrary: fc.constantFrom('again' as const, 'none' as const) },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(500, 8_999, 9_500, 70_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'kill' as const,
        'leave' as const,
        'drain' as const,
        'tick' as const,
        'late' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('meanwhile' as const),
      what: fc.constantFrom<Meanwhile>('kill', 'drain', 'tick', 'late', 'ask'),
    }),
  },
)

interface DatabaseStream {
  inTransaction: boolean
  idleSince: number
  told: Told
}

const NOTHING_TOLD: Told = { last_insert_rowid: 0, changes: 0, total_changes: 0 }
const asksOf = (program: Program): readonly HistoryKind[] => ALL_HISTORY.filter((kind) => kind === program)
/** What the answer makes certain. */
const TELLS: Partial<Record<Program, readonly HistoryKind[]>> = {
  insert: ['last_insert_rowid', 'changes'],
  update: ['changes'],
}

export class World {
  now = 1_000_000
  state: StreamState | null = newStream(this.now)
  /** Open streams by the baton that they wait for. */
  readonly streams = new Map<string, DatabaseStream>()
  /** What one stream that had run everything would tell. */
  told = NOTHING_TOLD
  rowids = 0
  readonly sent = new Set<string>()
  readonly refusedBatons = new Set<string>()
  /** The numbers of the requests that ran. */
  readonly ran = new Set<number>()
  isOut = false
  batons = 0
  late: StreamEvent[] = []
  meanwhile: Meanwhile | null = null

  apply(event: StreamEvent): Step {
    const before = this.state!
    const step = advance(before, event, limits)
    if (step.state !== null && step.state !== before) {
      hold(step.state.fence >= before.fence, 'numbers only grow')
      hold(!isEnded(before), 'what has ended stays as it is')
    }
    this.state = step.state
    if (step.effect?.kind === 'close') this.close(step.effect.upstream)
    return step
  }

  close({ baton }: Upstream): void {
    // The one second use that there is: to let go of a stream whose server has said no, or nothing.
    hold(!this.sent.has(baton) || this.refusedBatons.has(baton), 'a baton is used once')
    this.sent.add(baton)
    this.streams.delete(baton)
  }

  expire(): void {
    for (const [baton, { idleSince }] of this.streams)
      if (this.now - idleSince >= 10_000) this.streams.delete(baton)
  }

  ask({ program, fate, turn }: Extract<Action, { kind: 'ask' }>): void {
    if (this.state === null) return
    const { state } = this
    const number = turn === 'none' ? null : turn === 'next' ? state.turn : state.turn - 1
    this.apply({ kind: 'tick', now: this.now })
    if (this.state === null) return
    const asks = asksOf(program)
    let step = this.apply({ kind: 'asked', now: this.now, turn: number, asks, isProbe: false })
    if (step.refusal) return this.checkRefusal(step.refusal, number)
    let isRestart = fate === 'restarted'
    while (step.effect?.kind === 'send') {
      hold(!this.isOut, 'one request at a time')
      const flight = step.state as StreamInFlight
      const { upstream } = step.effect
      if (upstream !== null) {
        hold(!this.sent.has(upstream.baton), 'a baton is used once')
        this.sent.add(upstream.baton)
      }
      if (isRestart) this.streams.clear()
      isRestart = false
      this.isOut = true
      const event = this.serve(flight, upstream, program, fate)
      this.happenMeanwhile()
      this.isOut = false
      if (event === null) {
        this.apply({ kind: 'orphaned', now: this.now })
        return
      }
      this.late.push(event)
      const isKilled = this.state?.kind !== 'in_flight'
      step = this.apply(event)
      // Whoever sent it closes what it has opened for nobody.
      if (isKilled && (event.kind === 'answered' || event.kind === 'failed') && event.baton !== null)
        this.close({ baton: event.baton, url: event.url, moves: 0 })
    }
    if (step.refusal) this.checkRefusal(step.refusal, number ?? state.turn)
  }

  happenMeanwhile(): void {
    const { meanwhile, now, state } = this
    this.meanwhile = null
    if (meanwhile === null || state === null) return
    if (meanwhile === 'late') this.arriveLate()
    else if (meanwhile === 'ask') {
      const turn = state.turn
      const step = this.apply({ kind: 'asked', now, turn, asks: NO_HISTORY, isProbe: false })
      hold(step.state === state && step.refusal?.kind === 'reused', 'one request at a time')
    } else this.apply({ kind: meanwhile, now, by: now + 1_000 } as StreamEvent)
  }

  /** An answer for which nobody waits any more, or that has been given before. */
  arriveLate(): void {
    const event = this.late.at(-1)
    const { state } = this
    if (event === undefined) return
    const step = this.apply(event)
    hold(step.state === state && step.effect === null, 'what comes late changes nothing')
  }

  /** What the database does, and what of it comes back; `null`: the instance that waited is gone. */
  serve(flight: StreamInFlight, upstream: Upstream | null, program: Program, fate: Fate): StreamEvent | null {
    const { now } = this
    const { fence } = flight
    const asks = asksOf(program)
    const url = fate === 'sent_elsewhere' ? `https://${this.batons}.example/` : 'https://a.example/'
    if (fate === 'lost_before') return this.fail(fence, upstream, url)
    if (fate === 'busy')
      return upstream === null ? { kind: 'turned_away', now, fence } : this.refuse(fence, upstream)
    if (fate === 'refused') return this.refuse(fence, upstream)
    const known =
      upstream === null
        ? { inTransaction: false, idleSince: now, told: NOTHING_TOLD }
        : this.streams.get(upstream.baton)
    const mayCommit = program === 'commit'
    if (known === undefined) return { kind: 'dead', now, fence, asks, mayCommit }
    if (upstream !== null) this.streams.delete(upstream.baton)
    hold(!this.ran.has(flight.turn), 'a request runs once')
    this.ran.add(flight.turn)
    // Another stream would answer it, and wrongly.
    for (const kind of asks)
      hold(known.told[kind] === this.told[kind], 'no other stream answers for this one')
    const rowid = ++this.rowids
    known.told = write(known.told, program, rowid)
    this.told = write(this.told, program, rowid)
    // The second of them finds the stream gone.
    if (fate === 'doubled' && mayCommit && known.inTransaction)
      return { kind: 'dead', now, fence, asks, mayCommit }
    if (program === 'begin') known.inTransaction = true
    if (program === 'commit') known.inTransaction = false
    const baton = program === 'close' ? null : `baton ${this.batons++}`
    // A connection that breaks ends its stream.
    if (fate === 'lost_after') return this.fail(fence, upstream, url)
    if (baton !== null) this.streams.set(baton, { ...known, idleSince: now })
    if (fate === 'evicted') return null
    return {
      kind: 'answered',
      now,
      fence,
      baton,
      url,
      isAutocommit: fate === 'no_state_said' ? null : !known.inTransaction,
      isClosed: program === 'close',
      leavesState: program === 'set',
      mayWrite: ['insert', 'update', 'update_nothing'].includes(program),
      tells: TELLS[program] ?? NO_HISTORY,
    }
  }

  /** Who has no answer lets go of the stream as it was, in case that it is still so. */
  fail(fence: number, upstream: Upstream | null, url: string): StreamEvent {
    if (upstream !== null) this.refusedBatons.add(upstream.baton)
    return { kind: 'failed', now: this.now, fence, baton: upstream?.baton ?? null, url }
  }

  refuse(fence: number, upstream: Upstream | null): StreamEvent {
    if (upstream !== null) this.refusedBatons.add(upstream.baton)
    return { kind: 'refused', now: this.now, fence }
  }

  checkRefusal(refusal: NonNullable<Step['refusal']>, turn: number | null): void {
    if (refusal.kind === 'reused' || refusal.isDoubtful) return
    hold(refusal.kind !== 'lost', 'what is lost is doubtful')
    hold(turn === null || !this.ran.has(turn), 'nothing that ran is called undone')
  }

  act(action: Action): void {
    this.expire()
    if (action.kind === 'wait') this.now += action.ms
    else if (action.kind === 'ask') this.ask(action)
    else if (action.kind === 'meanwhile') this.meanwhile = action.what
    else if (this.state === null) return
    else if (action.kind === 'late') this.arriveLate()
    else this.apply({ kind: action.kind, now: this.now, by: this.now + 5_000 } as StreamEvent)
  }

  /** The client says nothing more, and the alarm rings whenever it is asked to. */
  rest(): number {
    const from = this.now
    for (let rounds = 0; this.state !== null; rounds++) {
      hold(rounds < 5, 'a stream ends')
      this.now = Math.max(this.now, deadlineOf(this.state, limits)!)
      this.apply({ kind: 'tick', now: this.now })
    }
    return this.now - from
  }
}

function hold(condition: boolean, law: string): void {
  if (!condition) throw new Error(`broken: ${law}`)
}

function write(told: Told, program: Program, rowid: number): Told {
  if (program === 'insert')
    return { last_insert_rowid: rowid, changes: 1, total_changes: told.total_changes + 1 }
  if (program === 'update') return { ...told, changes: 2, total_changes: told.total_changes + 2 }
  return program === 'update_nothing' ? { ...told, changes: 0 } : told
}

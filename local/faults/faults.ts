/** The faults of a local Turso: which are due at a request, and what has fired so far. */
import { setTimeout } from 'node:timers/promises'
import { MAX_SEARCHED_BODY_BYTES } from '../limits.ts'
import { ConnectionReset } from '../connection-reset.ts'
import { applyFault, type FaultyServer, type Wait } from './kinds.ts'
import { matcherOf } from './operations.ts'
import { createRandom } from './random.ts'
import type { Fault, FaultKind } from './script.ts'
import { checkFaults, type CheckedScript } from './validation.ts'

/** A fault that fired. */
export interface FiredFault {
  readonly kind: FaultKind['kind']
  /** The number of its entry: first those of the script, then those that were added. */
  readonly entry: number
  /** The how manieth request that the entry matches it was, from 1. */
  readonly match: number
  /** `METHOD /path`; a path below a database starts with `/db/<name>`. */
  readonly request: string
}

/** What a test may do with the faults of a running local Turso. */
export interface Faults {
  /** Adds entries behind those that are there. Throws `FaultScriptError`. */
  readonly add: (...faults: Fault[]) => void
  /** What has fired, oldest first. */
  readonly fired: () => FiredFault[]
  /** Forgets all entries, their counts and what has fired. */
  readonly clear: () => void
}

/** A request as the faults see it. */
export interface FaultTarget {
  /** `/v1/…`, or `/db/<name>/…` for what is for a database. */
  readonly path: string
  readonly database: string | undefined
}

/** The faults as the local Turso itself sees them. */
export interface FaultInjector extends Faults {
  /** Whether any fault can fire at all. */
  readonly isIdle: () => boolean
  /** Answers a request, by way of the faults that are due. `proceed` is Turso itself. */
  readonly around: (
    request: Request,
    target: FaultTarget,
    proceed: () => Promise<Response>,
  ) => Promise<Response>
}

export interface FaultOptions {
  readonly server: FaultyServer
  /** Default: the timers of Node. */
  readonly wait?: Wait
}

interface Entry {
  readonly fault: Fault
  readonly number: number
  readonly isFor: (request: string) => boolean
  matches: number
}

/**
 * Entries that are due at the same request wrap each other in the order of the script, the first outermost: what it
 * answers by itself never reaches the others.
 */
export function createFaults(
  { seed, faults }: CheckedScript,
  { server, wait = waitMs }: FaultOptions,
): FaultInjector {
  let entries: Entry[] = []
  let fired: FiredFault[] = []
  let restarts = 0

  const add = (...added: Fault[]) => {
    const first = entries.length
    for (const fault of checkFaults(added, first)) {
      entries.push({ fault, number: entries.length, isFor: matcherOf(fault.on), matches: 0 })
    }
  }
  add(...faults)

  const restartable: FaultyServer = {
    ...server,
    restart() {
      restarts++
      server.restart()
    },
  }

  return {
    add,
    fired: () => [...fired],
    clear() {
      entries = []
      fired = []
    },
    isIdle: () => entries.length === 0,
    async around(request, { path, database }, turso) {
      const name = `${request.method} ${path}`
      const isSearched = entries.some(({ fault, isFor }) => fault.containing !== undefined && isFor(name))
      const body = isSearched ? await readStart(request.clone(), MAX_SEARCHED_BODY_BYTES) : ''
      let proceed = async () => {
        const restartsSeen = restarts
        const response = await turso()
        // Its answer went with the connections of the server that was.
        if (restarts !== restartsSeen) throw new ConnectionReset()
        return response
      }
      const matching = entries.filter(
        ({ fault, isFor }) => isFor(name) && body.includes(fault.containing ?? ''),
      )
      for (const entry of matching.toReversed()) {
        entry.matches++
        const { fault, number, matches: match } = entry
        const random = createRandom(seed, number, match)
        if (!isDue(fault, match, random())) continue
        const next = proceed
        proceed = () => {
          fired.push({ kind: fault.kind, entry: number, match, request: name })
          return applyFault(fault, { request, database, server: restartable, random, wait, proceed: next })
        }
      }
      return proceed()
    },
  }
}

/** The text of a copy's body, cut off after about so many bytes. */
async function readStart({ body }: Request, maxBytes: number): Promise<string> {
  if (!body) return ''
  const chunks: Uint8Array[] = []
  const reader = body.getReader()
  let bytes = 0
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    chunks.push(read.value)
    bytes += read.value.byteLength
    if (bytes >= maxBytes) break
  }
  // Settles only when the original is cancelled as well.
  void reader.cancel().catch(() => undefined)
  return Buffer.concat(chunks).toString()
}

function isDue({ nth, times = 1, probability }: Fault, match: number, chance: number): boolean {
  if (probability !== undefined) return chance < probability
  return nth === undefined || (match >= nth && match < nth + times)
}

async function waitMs(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

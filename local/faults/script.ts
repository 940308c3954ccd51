/**
 * The language in which faults are written: plain JSON, so that a test and a file say the same thing. What each kind
 * does is in `kinds.ts`.
 */

/** When a fault fires. Without `nth` and `probability` it fires at every request that it matches. */
export interface FaultTrigger {
  /**
   * The requests it matches, by the name of an operation (`pipeline`, `databases.create`; see `operations.ts`) or as
   * `METHOD /path`, where `*` stands for one segment of the path or any method, and `**` at the end for the rest. A path
   * below a database starts with `/db/<name>`, however the request is addressed. Default: every request.
   */
  on?: string
  /** Matches only requests whose body has this text in its first 64 MiB. */
  containing?: string
  /** Fires at the nth request that it matches, 1 being the first. */
  nth?: number
  /** With `nth`: how many requests in a row, from that one on. Default 1. */
  times?: number
  /** Instead of `nth`: fires at each request that it matches with this probability, 0 to 1. */
  probability?: number
}

/** A number, or the two ends of a range from which every request draws its own. */
export type Range = number | [number, number]

/** Whether Turso carries the request out before the fault takes its answer. Default `false`. */
interface WithEffect {
  effect?: boolean
}

/** What goes wrong. All that is not named here is as Turso would answer. */
export type FaultKind =
  /** The request waits before it reaches Turso. Milliseconds. */
  | { kind: 'latency'; ms: Range }
  /** 429. `retryAfter` is the header, in seconds or as a date; without it there is none. */
  | { kind: 'rate_limited'; retryAfter?: number | string }
  /** An error of the server: 500 to 599, by default 500. */
  | ({ kind: 'server_error'; status?: number } & WithEffect)
  /** A proxy's page instead of JSON: 500 to 599, by default 502. */
  | ({ kind: 'html'; status?: number } & WithEffect)
  /** The connection is cut and nothing has happened. */
  | { kind: 'reset_before' }
  /** The connection is cut and everything has happened. */
  | { kind: 'reset_after' }
  /**
   * The answer ends after this share of its bytes, 0 to 1 (default 0.5). `cut` is a broken connection; `clean` ends the
   * body as if it were whole, which only its contents give away. Default `cut`.
   */
  | { kind: 'truncated'; share?: Range; ending?: 'cut' | 'clean' }
  /** The answer comes in pieces of so many bytes (default 64), with a pause before each. Milliseconds. */
  | { kind: 'slow_body'; ms: Range; bytes?: number }
  /** 200 with JSON that is not what was asked for. Default `{}`. */
  | ({ kind: 'wrong_shape'; body?: unknown } & WithEffect)
  /** A redirect: 300 to 399, by default 302. */
  | { kind: 'redirect'; to: string; status?: number }
  /** Any answer at all. */
  | ({ kind: 'respond'; status: number; headers?: Record<string, string>; body?: string } & WithEffect)
  /** The first occurrence of a text in the answer is replaced. */
  | { kind: 'replace'; from: string; to: string }
  /** The idle streams of the database have been idle for too long. */
  | { kind: 'stream_expired' }
  /** The server has just restarted: no baton is good, and what was under way is cut. */
  | { kind: 'restart' }
  /** The answer of a pipeline or a cursor names this as its `base_url`. */
  | { kind: 'base_url'; url: string }

/** One entry of a script. */
export type Fault = FaultTrigger & FaultKind

/** Faults and the seed of their chances. A number alone is the seed of a mix of everything; see `mix.ts`. */
export type FaultScript = number | Fault[] | { seed?: number; faults: Fault[] }

/** A script makes no sense. The message names the entry and the field. */
export class FaultScriptError extends TypeError {
  override name = 'FaultScriptError'
}

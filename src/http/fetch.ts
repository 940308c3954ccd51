/** The part of `fetch` that is used, so that anything shaped like it can stand in. */

export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>

export interface FetchInit {
  method: string
  headers: Record<string, string>
  body?: string
  /** Always `manual`: a redirect is never followed, since it would carry the token to another place. */
  redirect: 'manual'
  signal: AbortSignal
}

export interface FetchResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
  /** Needed by `stream()` alone, to read an answer while it arrives. */
  readonly body?: ReadableStream<Uint8Array> | null
}

/** Read at each call: at module scope a Worker must not touch it, and tests may replace it. */
export const globalFetch: Fetch = (url, init) => globalThis.fetch(url, init)

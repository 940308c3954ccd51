/** Makes the local Turso the internet of the core's tests in Node, as Miniflare does for them in workerd. */
import { afterAll } from 'vitest'
import { createOutbound } from './outbound.ts'

const outbound = createOutbound()
// A worker of vitest is ended without a last word, so not at the end of its process.
afterAll(outbound.close)
globalThis.fetch = ((input: string | Request, init?: RequestInit) =>
  outbound.fetch(new Request(input, init))) as typeof fetch

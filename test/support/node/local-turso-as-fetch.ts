/** Makes the local Turso the internet of the core's tests in Node, as Miniflare does for them in workerd. */
import { createOutbound } from './outbound.ts'

const outbound = createOutbound()
globalThis.fetch = ((input: string | Request, init?: RequestInit) =>
  outbound(new Request(input, init))) as typeof fetch

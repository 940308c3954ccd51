/** A network that has one answer. Runs in workerd, too. */
import { createJsonParse } from './clients/bare.ts'
import type { BenchClient, OpenClient } from './clients/contract.ts'

export interface RecordedAnswer {
  /** Of the one request that the client has made. */
  request: string
  contentType: string
  body: Uint8Array
}

/** A client that is given the same answer whatever it asks; without one, `JSON.parse` of the answer and nothing else. */
export function replay(open: OpenClient | undefined, { contentType, body }: RecordedAnswer): BenchClient {
  if (!open) return createJsonParse(new TextDecoder().decode(body))
  const init = { headers: { 'content-type': contentType } }
  const fetch = () => Promise.resolve(new Response(body as Uint8Array<ArrayBuffer>, init))
  return open({ url: 'https://replayed.example', authToken: 'token', fetch })
}

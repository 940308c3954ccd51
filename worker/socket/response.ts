/** What a client is told over a WebSocket. Pure. */
import { elementsOf, readShortString, sliceMembers } from '../hrana/envelope.ts'
import { NO_ANSWER, UPSTREAM_REDIRECTS, type HranaError } from '../hrana/error.ts'
import { MAX_REFUSAL_CHARACTERS } from '../limits.ts'
import { textOf } from '../memory/bytes.ts'
import type { StreamAnswer } from '../session/calls.ts'
import type { Entries } from './cursor-entries.ts'

export const HELLO_OK = '{"type":"hello_ok"}'

/** An error as the client reads it: of the gateway, or in the database's own words. */
export type ToldError = Pick<HranaError, 'message' | 'outcome'> & { code: string }

export const helloError = (error: ToldError): string => `{"type":"hello_error","error":${toJson(error)}}`

/** @param response as JSON */
export const okMessage = (requestId: number, response: string): string =>
  `{"type":"response_ok","request_id":${requestId},"response":${response}}`

export const errorMessage = (requestId: number, error: ToldError): string => failure(requestId, toJson(error))

/** The answer to a request that was sent as the first of a pipeline. */
export function answerMessage(requestId: number, answer: StreamAnswer): string {
  if (answer.kind === 'error') return errorMessage(requestId, answer.error)
  if (answer.kind === 'refused') return failure(requestId, toJson(readRefusal(answer)))
  try {
    const [result = ''] = elementsOf(textOf(answer.results))
    const { type, response, error } = sliceMembers(result, ['type', 'response', 'error'])
    if (type === '"ok"' && response !== undefined) return okMessage(requestId, response)
    if (type === '"error"' && error !== undefined) return failure(requestId, error)
  } catch {
    // Told below.
  }
  return errorMessage(requestId, NO_ANSWER)
}

export const entriesMessage = (requestId: number, { entries, isDone }: Entries): string =>
  okMessage(requestId, `{"type":"fetch_cursor","entries":[${entries.join(',')}],"done":${isDone}}`)

const failure = (requestId: number, error: string): string =>
  `{"type":"response_error","request_id":${requestId},"error":${error}}`

const toJson = ({ message, code, outcome }: ToldError): string => JSON.stringify({ message, code, outcome })

/** The database's own words, whichever way it has put them: as Hrana's error, as `{"error"}`, or as plain text. */
export function readRefusal({ status, body }: { status: number; body: Uint8Array }): ToldError {
  if (status < 400) return UPSTREAM_REDIRECTS
  const text = textOf(body.subarray(0, MAX_REFUSAL_CHARACTERS))
  const told: { message?: string | null; error?: string | null; code?: string | null } = {}
  try {
    const members = sliceMembers(text, ['message', 'error', 'code'])
    for (const name of ['message', 'error', 'code'] as const)
      told[name] = readShortString(members[name], MAX_REFUSAL_CHARACTERS) ?? null
  } catch {
    told.message = text.trimStart().startsWith('<') ? null : text
  }
  const message = told.message ?? told.error ?? ''
  return {
    message: message === '' ? `The tenant's database answered with status ${status}` : message,
    code: told.code ?? (status === 401 ? 'AUTH_REJECTED' : 'UPSTREAM_REFUSED'),
  }
}

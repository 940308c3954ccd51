/** Whether a database accepts a token: only it knows. */
import { errorText, log, type LogFields } from '../log.ts'
import { sendUpstream, type UpstreamAnswer } from '../hrana/upstream.ts'
import { readRefusal, type ToldError } from './response.ts'

/** What any server answers that lets somebody in, and what leaves nothing behind. */
const QUESTION = '{"baton":null,"requests":[{"type":"get_autocommit"},{"type":"close"}]}'

/** @returns why not, in the database's words; `null` if it does */
export async function authenticate(
  databaseUrl: string,
  token: string | null,
  logged: LogFields,
): Promise<ToldError | null> {
  if (token === null) return NO_TOKEN
  if (!/^[\x21-\x7e]+$/.test(token)) return MALFORMED_TOKEN
  let answer: UpstreamAnswer
  try {
    answer = await sendUpstream({ url: databaseUrl, version: '3', token, body: QUESTION })
  } catch (error) {
    log('warn', 'socket_upstream_failed', { ...logged, detail: errorText(error) })
    return UNREACHABLE
  }
  const { status } = answer
  if (status >= 200 && status < 300) return null
  const refusal = readRefusal(answer)
  // Of a question that always makes sense only the token can be wrong: Turso Cloud answers 400 to what is no JWT.
  return status === 400 && refusal.code === 'UPSTREAM_REFUSED'
    ? { ...refusal, code: 'AUTH_REJECTED' }
    : refusal
}

const NO_TOKEN: ToldError = {
  code: 'AUTH_HEADER_NOT_FOUND',
  message: 'The hello has no "jwt": it must be a token of the database',
}

/** It is sent in a header: the runtime would refuse it there, or quote it in its log. */
const MALFORMED_TOKEN: ToldError = {
  code: 'AUTH_REJECTED',
  message: 'The "jwt" of the hello is no token: it must be one word of printable ASCII',
}

export const UNREACHABLE: ToldError = {
  code: 'NO_ANSWER',
  message: "No answer came from the tenant's database, which has to accept the token",
}

/** How servers say that the stream of a baton is gone. */

/**
 * Whether a refused pipeline means that its stream had ended before: nothing of the pipeline has run, and what was
 * open on the stream is rolled back. sqld answers 400 with `STREAM_EXPIRED` for five minutes and then, as after a
 * restart, "invalid baton"; Turso Cloud answers 404 "stream not found" (libsql-client-go#60, #135); our gateway says of one
 * that an operator has closed in a pause that "this request did not run".
 *
 * @param text the body of the answer, or the message in it
 */
export function isDeadStream(status: number, text: string): boolean {
  if (status === 404) return /stream not found/i.test(text)
  return (
    status === 400 &&
    /"STREAM_EXPIRED"|stream has expired|received an invalid baton|this request did not run/i.test(text)
  )
}

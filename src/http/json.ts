/** Bodies as JSON. */
import { ProtocolError } from '../errors.ts'

/**
 * The reason a parser gives is dropped, since it quotes the body.
 *
 * @throws {ProtocolError} when the text is not JSON, as when a body was cut off
 */
export function parseBody(
  text: string,
  what: string,
  parse: (text: string) => unknown = JSON.parse,
): unknown {
  try {
    return parse(text)
  } catch {
    throw new ProtocolError(`The answer of ${what} is not JSON, or was cut off (${text.length} characters)`)
  }
}

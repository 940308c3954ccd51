/** `size_limit`: bytes, or a number with the unit kb, mb, gb or tb. */
import { HttpFailure } from '../errors.ts'
import type { Call } from './call.ts'
import { optionalText } from './fields.ts'

/** The limit that a body asks for. Throws `HttpFailure` 400 for a malformed one, and for any on AWS. */
export function readSizeLimit({ body, traps }: Pick<Call, 'body' | 'traps'>): string | undefined {
  const sizeLimit = optionalText(body, 'size_limit')
  if (sizeLimit === undefined || sizeLimit === '') return sizeLimit
  if (traps.generation !== 'legacy') {
    throw new HttpFailure(400, 'size_limit is not supported for db-api controlled databases')
  }
  if (!/^[0-9]{1,15}([kmgt]?b)?$/i.test(sizeLimit)) throw new HttpFailure(400, 'invalid size_limit')
  return sizeLimit
}

/** Rules of names. */
import { HttpFailure } from '../errors.ts'
import { MAX_DNS_LABEL_LENGTH, MAX_NAME_LENGTH } from '../limits.ts'

/** Throws `HttpFailure` 400 unless it can be the name of a database or group. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !/^[a-z0-9-]+$/.test(name) || name.length > MAX_NAME_LENGTH) {
    throw new HttpFailure(400, `name must be 1 to ${MAX_NAME_LENGTH} lower-case letters, digits and dashes`)
  }
}

/** Throws `HttpFailure` 400 when a database of this name could have no host name. */
export function checkLabel(name: string, organization: string): void {
  const label = `${name}-${organization}`
  if (label.length <= MAX_DNS_LABEL_LENGTH) return
  throw new HttpFailure(
    400,
    `name is too long: the host name label "${label}" has ${label.length} characters, ` +
      `a DNS label at most ${MAX_DNS_LABEL_LENGTH}`,
  )
}

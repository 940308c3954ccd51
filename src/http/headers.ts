/** Headers that a caller wants sent with everything, checked once. */

/** Which this library sets itself. */
const RESERVED = /^(authorization|content-type|accept|x-turso-encryption-key)$/

/**
 * In lower case. Checked here because fetch would quote the value in its own error.
 *
 * @throws {TypeError} naming the header, for what cannot be sent or is set by this library
 */
export function readHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([given, value]) => {
      const name = given.toLowerCase()
      if (RESERVED.test(name))
        throw new TypeError(`The header "${name}" is set by this library, from its other options`)
      if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value))
        throw new TypeError(`The header "${name}" has characters that a header cannot carry`)
      return [name, value]
    }),
  )
}

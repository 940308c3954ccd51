/** Addresses that are sent tokens, checked before the first one leaves. */

/**
 * An HTTP address without what would be dropped or quoted in errors later.
 *
 * @throws {TypeError} naming the option, for another scheme, credentials, a query or a fragment
 */
export function parseHttpUrl(text: string, option: string): URL {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.host === '')
    throw new TypeError(`"${option}" must be a URL such as https://host.example`)
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`"${option}" carries credentials, which belong into the token`)
  if (url.search !== '' || url.hash !== '') throw new TypeError(`"${option}" must end with its path`)
  return url
}

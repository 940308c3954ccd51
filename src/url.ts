/** Addresses that are sent tokens, checked before the first one leaves. */

/**
 * An HTTP address without what would be dropped or quoted in errors later.
 *
 * @throws {TypeError} naming the option, for another scheme, credentials, a query or a fragment
 */
export function parseHttpUrl(text: string, option: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // Nothing that would be dropped, or quoted in an error.
  const { protocol = '', username, password, href = '' } = url ?? {}
  if (url && /^https?:$/.test(protocol) && url.host && !(username || password || /[?#]/.test(href)))
    return url
  throw new TypeError(
    `"${option}" must be a URL such as https://host.example, without credentials, query and fragment`,
  )
}

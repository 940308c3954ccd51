/** The gateway by host name, for clients that drop the path of a URL. Pure. */

/**
 * The path under which a request is routed: `/t/acme/v3/pipeline` for `/v3/pipeline` at `acme.db.example.com`, also with a
 * dot at its end. Host names have no upper case and few other characters, so not every tenant has one; any has its path.
 * What is no tenant's is refused like any such id.
 *
 * @param domain `db.example.com`; `null` when there are no such hosts
 */
export function routedPath({ hostname, pathname }: URL, domain: string | null): string {
  const host = hostname.replace(/\.$/, '')
  if (domain === null || !host.endsWith(`.${domain}`)) return pathname
  return `/t/${host.slice(0, -domain.length - 1)}${pathname}`
}

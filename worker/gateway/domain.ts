/** The gateway by host name, for clients that drop the path of a URL. Pure. */
import { TENANT_ID } from '../tenant-name.ts'

/**
 * The path under which a request is routed: `/t/acme/v3/pipeline` for `/v3/pipeline` at `acme.db.example.com`. Host names
 * have no upper case and few other characters, so not every tenant has one; any has its path.
 *
 * @param domain `db.example.com`; `null` when there are no such hosts
 */
export function routedPath(url: URL, domain: string | null): string {
  const { hostname, pathname } = url
  if (domain === null || !hostname.endsWith(`.${domain}`)) return pathname
  const tenant = hostname.slice(0, -domain.length - 1)
  return TENANT_ID.test(tenant) ? `/t/${tenant}${pathname}` : pathname
}

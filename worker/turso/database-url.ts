/** Where a database is reached. Pure. */

/** @returns an http(s) URL that ends with a slash, since real clients drop the last path segment otherwise */
export function databaseHttpUrl(template: string, database: { name: string; hostname: string }): string {
  return template
    .replaceAll('{hostname}', database.hostname)
    .replaceAll('{name}', encodeURIComponent(database.name))
}

/** A host name, with a port perhaps, and no longer than one may be; an id is as good as the name, and stored like it. */
const HOSTNAME = /^[a-z0-9.-]{1,253}(:\d{1,5})?$/i
const MAX_ID_CHARACTERS = 200

/**
 * @returns the answer, for it to be stored and connected to
 * @throws {Error} if it is about another database than was asked for, or at no address: nobody knows then what was done,
 * as without an answer
 */
export function requireDatabase<T extends { id: string; name: string; hostname: string }>(
  template: string,
  wanted: string,
  answer: T,
): T {
  const { id, name, hostname } = answer
  const isAddress = HOSTNAME.test(hostname) && URL.canParse(databaseHttpUrl(template, answer))
  if (name === wanted && isAddress && id.length <= MAX_ID_CHARACTERS) return answer
  throw new Error(`Turso has answered with something else than the database "${wanted}" and its address`)
}

/** The same address as `@libsql/client` and drizzle write it; `?tls=0` is their way to say plain HTTP. */
export function databaseLibsqlUrl(httpUrl: string): string {
  const { protocol, host, pathname } = new URL(httpUrl)
  const path = pathname === '/' ? '' : pathname
  return protocol === 'http:' ? `libsql://${host}${path}?tls=0` : `libsql://${host}${path}`
}

/** `aws-eu-west-1` out of `acme-org.aws-eu-west-1.turso.io`; `null` for hosts that do not carry it. */
export function locationOfHostname(hostname: string): string | null {
  return /^[^.]+\.([a-z0-9-]+)\.turso\.io$/.exec(hostname)?.[1] ?? null
}

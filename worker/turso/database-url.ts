/** Where a database is reached. Pure. */

/** @returns an http(s) URL that ends with a slash, since real clients drop the last path segment otherwise */
export function databaseHttpUrl(template: string, database: { name: string; hostname: string }): string {
  return template
    .replaceAll('{hostname}', database.hostname)
    .replaceAll('{name}', encodeURIComponent(database.name))
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

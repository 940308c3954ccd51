/** Which database a request is for, by its host name or by a path. */
import type { Catalogue } from '../storage/catalogue.ts'
import { hostnameOf } from '../storage/databases.ts'
import type { DatabaseRecord } from '../storage/records.ts'

/** The database that a request is for. */
export interface RequestTarget {
  /** As the request names it, for error messages. */
  readonly name: string
  readonly record: DatabaseRecord | undefined
  /** The path below the database's base URL, with its leading slash. */
  readonly path: string
}

/**
 * Reads `https://<name>-<organization>.<location>.turso.io/…`, and `/db/<name>/…` for the primary organization.
 * `undefined` for what is neither: the Platform API.
 */
export function createHosts({
  organizations,
  databases,
}: Pick<Catalogue, 'organizations' | 'databases'>): (url: URL) => RequestTarget | undefined {
  const primarySlug = organizations.primary().slug

  /** The database that a host name is of, in an organization. */
  const findIn = (slug: string, label: string, hostname: string): DatabaseRecord | undefined => {
    const record = databases.findByLabel(slug, label.slice(0, -slug.length - 1))
    return record && hostnameOf(label, record.location) === hostname ? record : undefined
  }

  return ({ hostname, pathname }) => {
    const [, name, path] = /^\/db\/([^/]+)(\/.*)?$/.exec(pathname) ?? []
    if (name !== undefined) {
      return { name, record: databases.findByLabel(primarySlug, name), path: path ?? '/' }
    }
    if (!hostname.endsWith('.turso.io')) return undefined
    const [label = ''] = hostname.split('.')
    const isOf = (slug: string) => label.endsWith(`-${slug}`)
    let record = isOf(primarySlug) ? findIn(primarySlug, label, hostname) : undefined
    if (!record) {
      const slugs = organizations.list().map(({ slug }) => slug)
      const candidates = slugs.filter(isOf)
      if (candidates.length === 0) return undefined
      record = candidates.map((slug) => findIn(slug, label, hostname)).find((found) => found !== undefined)
    }
    return { name: label, record, path: pathname }
  }
}

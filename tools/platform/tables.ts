/** The tables of docs/platform.md. Pure. */
import { apiTokens } from '../../src/platform/api-tokens.ts'
import { auditLogs } from '../../src/platform/audit-logs.ts'
import { databases, databasesById } from '../../src/platform/databases.ts'
import type { Endpoint } from '../../src/platform/endpoint.ts'
import { groups, groupsById } from '../../src/platform/groups.ts'
import { keySets } from '../../src/platform/key-sets.ts'
import { locations } from '../../src/platform/locations.ts'
import { invites, members } from '../../src/platform/members.ts'
import { organizations } from '../../src/platform/organizations.ts'
import { user } from '../../src/platform/user.ts'
import { NOT_OFFERED, PEERS } from './peers.ts'

const RESOURCES: Readonly<Record<string, Readonly<Record<string, Endpoint>>>> = {
  databases: { ...databases },
  databasesById: { ...databasesById },
  groups: { ...groups },
  groupsById: { ...groupsById },
  locations: { ...locations },
  organizations: { ...organizations },
  members: { ...members },
  invites: { ...invites },
  apiTokens: { ...apiTokens },
  auditLogs: { ...auditLogs },
  user: { ...user },
  jwks: { ...keySets },
}

/** Methods that are not one request to the API. */
const COMPOSED: Readonly<Record<string, string>> = {
  'databases.ensure': '`create`, and `retrieve` when there is one',
  'locations.closest': '`GET https://region.turso.io`',
  'jwks.template': 'no request',
  uploadDatabase:
    '`POST https://{hostname}/v1/upload`, or `PUT https://{hostname}/v2/upload/start`, `…/{id}/chunk/{n}`, `…/{id}/finalize`',
}

/** The endpoint of a method, `undefined` for one that is not one request to the API. */
export function endpointOf(method: string): Endpoint | undefined {
  const [resource = '', name = ''] = method.split('.')
  return RESOURCES[resource]?.[name]
}

/** Every method with an endpoint. */
export function methodsWithEndpoint(): string[] {
  return Object.entries(RESOURCES).flatMap(([resource, endpoints]) =>
    Object.keys(endpoints).map((name) => `${resource}.${name}`),
  )
}

/** The document with its tables as they are to be now. @throws {Error} when a place for one is missing */
export function withTables(document: string): string {
  const tables = {
    endpoints: endpointTable(),
    differences: differenceTable(),
    'not offered': omissionTable(),
  }
  let text = document
  for (const [name, table] of Object.entries(tables)) {
    const place = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- end of ${name} -->)`)
    if (!place.test(text)) throw new Error(`docs/platform.md has no place for the table "${name}"`)
    text = text.replace(place, (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`)
  }
  return text
}

function endpointTable(): string {
  const missing = methodsWithEndpoint().filter((method) => !PEERS[method])
  if (missing.length > 0) throw new Error(`tools/platform/peers.ts does not know ${missing.join(', ')}`)
  const rows = Object.entries(PEERS).map(
    ([method, { official, officialDiffers, elixir, elixirDiffers, cli, evidence }]) => {
      const endpoint = endpointOf(method)
      const route = COMPOSED[method] ?? (endpoint && code(placeholders(endpoint.route)))
      if (route === undefined) throw new Error(`there is no method ${method}`)
      return [
        code(method) + (evidence ? ' †' : ''),
        route,
        code(endpoint?.scope),
        code(official) + (officialDiffers ? ' *' : ''),
        code(elixir) + (elixirDiffers ? ' *' : ''),
        code(cli),
      ]
    },
  )
  return table(['method', 'route', 'scope', '`@tursodatabase/api`', 'Elixir', 'CLI'], rows)
}

function differenceTable(): string {
  const rows = Object.values(PEERS).flatMap(({ official, officialDiffers, elixir, elixirDiffers }) => [
    ...(official && officialDiffers ? [[code(official), officialDiffers]] : []),
    ...(elixir && elixirDiffers ? [[code(elixir), elixirDiffers]] : []),
  ])
  return table(['theirs', 'what it does'], rows)
}

function omissionTable(): string {
  return table(['route', 'why'], NOT_OFFERED)
}

function placeholders(route: string): string {
  return route.replaceAll(/:(\w+)/g, (_, name: string) => `{${name}}`)
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`.replaceAll(/ {2,}/g, ' ')
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

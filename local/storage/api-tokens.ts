/** Tokens of the Platform API, by what they allow; the tokens themselves are nowhere. */
import type { Connection } from '../engine/engine.ts'
import type { EngineValue } from '../engine/values.ts'
import type { ApiToken } from './records.ts'

export interface ApiTokens {
  /** All of them, or those that act on one organization. */
  list(organizationId?: string): ApiToken[]
  find(id: string): ApiToken | undefined
  findByName(name: string): ApiToken | undefined
  create(token: Pick<ApiToken, 'id' | 'name' | 'organizationId' | 'groupId' | 'scopes' | 'createdAtMs'>): void
  delete(id: string): void
}

export function createApiTokens({ query }: Connection): ApiTokens {
  const select = (where: string, values: EngineValue[] = []) =>
    query(`${SELECT} ${where}`, values).map(toApiToken)
  return {
    list: (organizationId) =>
      organizationId === undefined
        ? select('order by t.name')
        : select('where t.organization_id = ? order by t.name', [organizationId]),
    find: (id) => select('where t.id = ?', [id])[0],
    findByName: (name) => select('where t.name = ?', [name])[0],
    create({ id, name, organizationId, groupId, scopes, createdAtMs }) {
      query(
        `insert into api_tokens (id, name, organization_id, group_id, scopes, created_at_ms)
          values (?, ?, ?, ?, ?, ?)`,
        [id, name, organizationId ?? null, groupId ?? null, JSON.stringify(scopes), BigInt(createdAtMs)],
      )
    },
    delete(id) {
      query('delete from api_tokens where id = ?', [id])
    },
  }
}

const SELECT = `select t.id, t.name, t.organization_id, o.slug, t.group_id, g.name, t.scopes, t.created_at_ms
  from api_tokens t left join organizations o on o.id = t.organization_id left join groups g on g.id = t.group_id`

function toApiToken(row: EngineValue[]): ApiToken {
  const optional = (column: number) => (row[column] as string | null) ?? undefined
  return {
    id: row[0] as string,
    name: row[1] as string,
    organizationId: optional(2),
    organizationSlug: optional(3),
    groupId: optional(4),
    group: optional(5),
    scopes: JSON.parse(row[6] as string) as string[],
    createdAtMs: Number(row[7]),
  }
}

/** What a group-scoped token may be allowed to do. Source: turso-cli, internal/turso/apitoken_scope.go */

const SCOPES = [
  'read',
  'db:create',
  'db:delete',
  'db:configure',
  'db:mint-token',
  'db:rotate-creds',
  'group:configure',
  'group:mint-token',
  'group:rotate-creds',
] as const

export type Scope = (typeof SCOPES)[number]

/**
 * What a route asks for: a scope, `organization` for what no group-scoped token can do, `any` for a valid token, or
 * `public` for none at all.
 */
export type RequiredScope = Scope | 'organization' | 'any' | 'public'

/** The single scopes of a list that may have presets in it, `undefined` when one is unknown. */
export function expandScopes(names: readonly string[]): Scope[] | undefined {
  const expanded = names.flatMap((name): readonly string[] => PRESETS.get(name) ?? [name])
  const isKnown = expanded.every((name) => (SCOPES as readonly string[]).includes(name))
  return isKnown ? SCOPES.filter((scope) => expanded.includes(scope)) : undefined
}

const PRESETS = new Map<string, readonly string[]>([
  ['read-only', ['read']],
  ['full-access', SCOPES],
])

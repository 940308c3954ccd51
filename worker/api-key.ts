/** API keys: how the secret lists them, and how a presented one is looked up. Only their SHA-256 is kept. */

export type Scope = 'signup' | 'admin' | 'metrics'

export interface ApiKey {
  name: string
  scope: Scope
  sha256: Uint8Array<ArrayBuffer>
}

/** The secret `API_KEYS`: `name:scope:sha256hex`, separated by commas or white space. `undefined` if malformed. */
export function parseApiKeys(text: string): ApiKey[] | undefined {
  const keys: ApiKey[] = []
  for (const entry of text.split(/[\s,]+/).filter(Boolean)) {
    const match = /^([a-z0-9-]{1,32}):(signup|admin|metrics):([0-9a-fA-F]{64})$/.exec(entry)
    if (!match) return undefined
    const bytes = match[3]!.match(/../g)!.map((byte) => Number.parseInt(byte, 16))
    keys.push({ name: match[1]!, scope: match[2] as Scope, sha256: Uint8Array.from(bytes) })
  }
  return keys.length > 0 ? keys : undefined
}

/** Compares with every key in constant time, so that timing tells nothing about any of them. */
export async function findApiKey(presented: string, keys: readonly ApiKey[]): Promise<ApiKey | undefined> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(presented))
  let found: ApiKey | undefined
  for (const key of keys) if (crypto.subtle.timingSafeEqual(digest, key.sha256)) found = key
  return found
}

/** Whether a secret of this deployment was sent where a token of a database belongs: no database's server may see it. */
export async function isOwnSecret(
  presented: string,
  { apiKeys, platformToken }: { apiKeys: readonly ApiKey[]; platformToken: string },
): Promise<boolean> {
  const [given, own] = [presented, platformToken].map((text) => new TextEncoder().encode(text))
  if (given!.length === own!.length && crypto.subtle.timingSafeEqual(given!, own!)) return true
  return (await findApiKey(presented, apiKeys)) !== undefined
}

/** `admin` may do whatever the others may. */
export function hasScope(key: ApiKey, scope: Scope): boolean {
  return key.scope === 'admin' || key.scope === scope
}

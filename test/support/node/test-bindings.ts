/** Variables and secrets of the Worker under test. */
import { createHash } from 'node:crypto'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

export const testBindings = {
  TURSO_ORGANIZATION: 'local',
  TURSO_GROUP: 'default',
  TURSO_LOCATION: 'aws-eu-west-1',
  TURSO_API_URL: 'https://api.turso.tech',
  TURSO_DATABASE_URL: 'https://{hostname}/',
  TURSO_PLATFORM_TOKEN: 'local-platform-token',
  API_KEYS: `app:signup:${sha256('signup-key')},ops:admin:${sha256('admin-key')}`,
  BATON_KEY: 'b1'.repeat(32),
  TEMPLATES:
    'template, template-original, template-missing, template-later, template-changed, template-foreign',
  SESSION_LIMITS: '100, limited=2, crowd=2000',
}

/** Far from what the tests do together, and `TIGHT_LIMIT` for those that want to be refused. */
const budget = (namespace_id: string, limit: number) => ({
  namespace_id,
  simple: { limit, period: 60 as const },
})

export const testRateLimits = {
  SIGNUP_LIMIT: budget('1', 1_000_000),
  ADMIN_LIMIT: budget('2', 1_000_000),
  WRONG_KEY_LIMIT: budget('3', 1_000_000),
  UPGRADE_LIMIT: budget('4', 1_000_000),
  WRONG_TOKEN_LIMIT: budget('6', 1_000_000),
  TIGHT_LIMIT: budget('5', 3),
}

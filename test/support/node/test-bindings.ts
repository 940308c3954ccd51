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
}

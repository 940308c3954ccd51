import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { app } from '../../worker/app.ts'
import { ConfigurationError, readConfiguration } from '../../worker/configuration.ts'

const withVariable = (variable: keyof Env, value: unknown): Env => ({ ...env, [variable]: value }) as Env

describe('configuration', () => {
  test('has limits of sessions for all tenants and for some', () => {
    const { sessionLimits } = readConfiguration(withVariable('SESSION_LIMITS', '7, acme=500, a@b.c=20'))
    expect(sessionLimits.standard).toBe(7)
    expect([...sessionLimits.byTenant]).toEqual([
      ['acme', 500],
      ['a@b.c', 20],
    ])
  })

  test.each([
    ['TURSO_ORGANIZATION', ''],
    ['TURSO_ORGANIZATION', 'My Org'],
    ['TURSO_GROUP', '../x'],
    ['TURSO_LOCATION', undefined],
    ['TURSO_API_URL', 'api.turso.tech'],
    ['TURSO_ORGANIZATION', 'o'.repeat(51)],
    ['TURSO_API_URL', 'ftp://api.turso.tech'],
    ['TURSO_API_URL', 'https://user:secret@api.turso.tech'],
    ['TURSO_API_URL', 'https://api.turso.tech/?x=1'],
    ['TURSO_API_URL', 'https://api.turso.tech?'],
    ['TURSO_API_URL', 'https://api.turso.tech/#'],
    ['TURSO_DATABASE_URL', 'https://db.example/'],
    ['TURSO_DATABASE_URL', 'https://{host}/'],
    ['TURSO_DATABASE_URL', 'https://{hostname}/?x=1'],
    ['BASE_URL_SUFFIXES', 'io'],
    ['TURSO_PLATFORM_TOKEN', undefined],
    ['TURSO_PLATFORM_TOKEN', 'with space'],
    ['API_KEYS', 'dev-key'],
    ['BATON_KEY', 'abcd'],
    ['PUBLIC_URL', 'tenants.example'],
    ['PUBLIC_URL', 'https://tenants.example/api'],
    ['TEMPLATES', 'My Template'],
    ['TEMPLATES', 'a,,b'],
    ['DELETION_GRACE_DAYS', '-1'],
    ['DELETION_GRACE_DAYS', '366'],
    ['DELETION_GRACE_DAYS', 'a week'],
    ['BATON_KEY', 'xy'.repeat(32)],
    ['JURISDICTION', 'mars'],
    ['GATEWAY_DOMAIN', 'https://db.example.com'],
    ['SESSION_LIMITS', 'many'],
    ['SESSION_LIMITS', '100, =5'],
    ['SESSION_LIMITS', '0'],
  ] as const)('%s = %j is refused by name', (variable, value) => {
    expect(() => readConfiguration(withVariable(variable, value))).toThrow(ConfigurationError)
    expect(() => readConfiguration(withVariable(variable, value))).toThrow(
      new RegExp(`^${variable} is (missing|malformed)`),
    )
  })

  test('names every fault at once and quotes no secret', () => {
    const broken = { ...env, API_KEYS: 'hunter2', BATON_KEY: 'hunter3', TURSO_GROUP: '' } as Env
    const message = (() => {
      try {
        readConfiguration(broken)
      } catch (error) {
        return (error as Error).message
      }
      return ''
    })()
    expect(message).toMatch(/TURSO_GROUP is missing.*API_KEYS is malformed.*BATON_KEY is malformed/)
    expect(message).not.toMatch(/hunter/)
  })

  test('says where the Worker is reached, and for how long a deleted tenant can be restored', () => {
    expect(readConfiguration(withVariable('PUBLIC_URL', ''))).toMatchObject({
      publicUrl: null,
      deletionGraceMs: 7 * 86_400_000,
    })
    expect(readConfiguration(withVariable('PUBLIC_URL', 'https://tenants.example/')).publicUrl).toBe(
      'https://tenants.example',
    )
    expect(readConfiguration(withVariable('DELETION_GRACE_DAYS', '30')).deletionGraceMs).toBe(30 * 86_400_000)
    expect(readConfiguration(withVariable('DELETION_GRACE_DAYS', '')).deletionGraceMs).toBe(7 * 86_400_000)
  })

  test('the template gets its closing slash', () => {
    expect(
      readConfiguration(withVariable('TURSO_DATABASE_URL', 'https://{hostname}')).databaseUrlTemplate,
    ).toBe('https://{hostname}/')
  })

  test('a misconfigured Worker says which variable, on every route', async () => {
    const broken = withVariable('TURSO_ORGANIZATION', '')
    for (const path of ['/health', '/v1/tenants/acme']) {
      const response = await app.request(path, {}, broken)
      expect(response.status).toBe(500)
      expect(await response.json()).toMatchObject({
        code: 'configuration',
        detail: expect.stringContaining('TURSO_ORGANIZATION'),
      })
    }
  })
})

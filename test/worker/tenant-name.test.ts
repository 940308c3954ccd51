import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { databaseName, MAX_ORGANIZATION_CHARACTERS, TENANT_ID } from '../../worker/tenant-name.ts'

const ids = fc.stringMatching(TENANT_ID)
const organizations = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,49}$/)

describe('databaseName', () => {
  test('is readable and always the same for an id', async () => {
    const name = await databaseName('Acme.Inc@eu', 'nonce', 'org')
    expect(name).toMatch(/^acme-inc-eu-[a-z2-7]{10}$/)
    expect(await databaseName('Acme.Inc@eu', 'nonce', 'org')).toBe(name)
  })

  test('has room for the longest organization that the configuration takes', async () => {
    const name = await databaseName('acme', 'nonce', 'o'.repeat(MAX_ORGANIZATION_CHARACTERS))
    expect(name.length + 1 + MAX_ORGANIZATION_CHARACTERS).toBeLessThanOrEqual(63)
  })

  test('is a name that Turso takes, and a DNS label together with the organization', async () => {
    await fc.assert(
      fc.asyncProperty(ids, organizations, async (id, organization) => {
        const name = await databaseName(id, 'nonce', organization)
        expect(name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
        expect(`${name}-${organization}`.length).toBeLessThanOrEqual(63)
      }),
    )
  })

  test('keeps ids apart that fold to one slug, and the lives of one id', async () => {
    const names = await Promise.all(
      ['acme', 'ACME', 'acme.', 'acme-', 'acme_'].map((id) => databaseName(id, 'nonce', 'org')),
    )
    names.push(await databaseName('acme', 'another nonce', 'org'))
    expect(new Set(names).size).toBe(names.length)
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { databaseName, TENANT_ID } from '../../worker/tenant-name.ts'

const ids = fc.stringMatching(TENANT_ID)
const organizations = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,38}$/)

describe('databaseName', () => {
  test('is readable and always the same for an id', async () => {
    const name = await databaseName('Acme.Inc@eu', 1, 'org')
    expect(name).toMatch(/^acme-inc-eu-[a-z2-7]{10}$/)
    expect(await databaseName('Acme.Inc@eu', 1, 'org')).toBe(name)
  })

  test('is a name that Turso takes, and a DNS label together with the organization', async () => {
    await fc.assert(
      fc.asyncProperty(ids, organizations, async (id, organization) => {
        const name = await databaseName(id, 1, organization)
        expect(name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
        expect(`${name}-${organization}`.length).toBeLessThanOrEqual(63)
      }),
    )
  })

  test('keeps ids apart that fold to one slug, and the lives of one id', async () => {
    const names = await Promise.all(
      ['acme', 'ACME', 'acme.', 'acme-', 'acme_'].map((id) => databaseName(id, 1, 'org')),
    )
    names.push(await databaseName('acme', 2, 'org'))
    expect(new Set(names).size).toBe(names.length)
  })
})

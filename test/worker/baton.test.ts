import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openBaton, sealBaton } from '../../worker/gateway/baton.ts'

const key = new Uint8Array(32).fill(7)
const ticket = { sessionId: '0123456789abcdef'.repeat(4), sequence: 4_000_000_000 }
const binding = { tenantId: 'acme', databaseUrl: 'https://acme.example/', token: 'jwt' }

describe('batons', () => {
  test('open to the ticket that was sealed', async () => {
    expect(await openBaton(await sealBaton(ticket, binding, key), binding, [key])).toEqual(ticket)
  })

  test('are worthless with another tenant, database, token or key', async () => {
    const baton = await sealBaton(ticket, binding, key)
    expect(await openBaton(baton, { ...binding, tenantId: 'other' }, [key])).toBeNull()
    expect(await openBaton(baton, { ...binding, token: 'other' }, [key])).toBeNull()
    expect(await openBaton(baton, { ...binding, databaseUrl: 'https://b.example/' }, [key])).toBeNull()
    expect(await openBaton(baton, binding, [new Uint8Array(32).fill(8)])).toBeNull()
    // The borders between them cannot be moved.
    expect(await openBaton(baton, { ...binding, tenantId: 'acm', token: 'ejwt' }, [key])).toBeNull()
    const moved = { tenantId: 'acmeh', databaseUrl: 'ttps://acme.example/' }
    expect(await openBaton(baton, { ...binding, ...moved }, [key])).toBeNull()
  })

  test('are good with the key before, too', async () => {
    const next = new Uint8Array(32).fill(8)
    expect(await openBaton(await sealBaton(ticket, binding, key), binding, [next, key])).toEqual(ticket)
  })

  test('no changed character goes unnoticed', async () => {
    const baton = await sealBaton(ticket, binding, key)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(baton.length - 1),
        fc.constantFrom('A', 'Z', 'a', 'z', '0', '9', '-', '_'),
        async (at, character) => {
          fc.pre(baton[at] !== character)
          const forged = baton.slice(0, at) + character + baton.slice(at + 1)
          expect(await openBaton(forged, binding, [key])).toBeNull()
        },
      ),
    )
  })

  test.each(['', 'x', 'not/base64url+', 'A'.repeat(91), 'A'.repeat(400_000), 'é'])(
    '%j is no baton',
    async (baton) => {
      expect(await openBaton(baton, binding, [key])).toBeNull()
    },
  )
})

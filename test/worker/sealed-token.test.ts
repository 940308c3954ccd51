import { expect, test } from 'vitest'
import { openToken, sealToken } from '../../worker/socket/sealed-token.ts'

const key = (byte: number): Uint8Array<ArrayBuffer> => new Uint8Array(32).fill(byte)
const OWNER = { objectId: 'a'.repeat(64), tenantId: 'acme' }
const TOKEN = 'eyJ.secret.ß'

test('a sealed token opens with its key, and with the one before after a change', async () => {
  const sealed = await sealToken(TOKEN, OWNER, key(1))
  expect(await openToken(sealed, OWNER, [key(1)])).toBe(TOKEN)
  expect(await openToken(sealed, OWNER, [key(2), key(1)])).toBe(TOKEN)
  expect(await openToken(sealed, OWNER, [key(2)])).toBeNull()
})

test('it opens for nobody else, and not when it was changed or cut', async () => {
  const sealed = await sealToken(TOKEN, OWNER, key(1))
  const changed = sealed.slice()
  changed[changed.length - 1]! ^= 1
  const opened = await Promise.all([
    openToken(sealed, { ...OWNER, tenantId: 'other' }, [key(1)]),
    openToken(sealed, { ...OWNER, objectId: 'b'.repeat(64) }, [key(1)]),
    openToken(changed, OWNER, [key(1)]),
    openToken(sealed.subarray(0, 20), OWNER, [key(1)]),
    openToken(new Uint8Array(), OWNER, [key(1)]),
  ])
  expect(opened).toEqual([null, null, null, null, null])
})

test('no two seals are alike, and none shows the token', async () => {
  const [one, two] = await Promise.all([sealToken(TOKEN, OWNER, key(1)), sealToken(TOKEN, OWNER, key(1))])
  expect(one).not.toEqual(two)
  expect(new TextDecoder().decode(one)).not.toContain('secret')
})

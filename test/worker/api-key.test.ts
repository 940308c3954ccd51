import { describe, expect, test } from 'vitest'
import { findApiKey, hasScope, parseApiKeys } from '../../worker/api-key.ts'
import { isMistyped, keyChecksum } from '../../worker/key-checksum.ts'

const HASH = 'ab'.repeat(32)

describe('API keys', () => {
  test('the checksum is CRC-32 in base62', () => {
    // The check value of CRC-32: 0xcbf43926 for "123456789".
    let value = 0xcbf43926
    let digits = ''
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    for (; value > 0; value = Math.floor(value / 62)) digits = alphabet[value % 62] + digits
    expect(keyChecksum('123456789')).toBe(digits.padStart(6, '0'))
  })

  test('a mistyped key of our form is told from one of another form', () => {
    const body = 'te_app_0123456789abcdefghijklmn'
    const key = body + keyChecksum(body)
    expect(isMistyped(key)).toBe(false)
    expect(isMistyped(key.replace('te_app_0', 'te_app_1'))).toBe(true)
    expect(isMistyped(key.slice(0, -1))).toBe(true)
    expect(isMistyped('dev-key')).toBe(false)
  })

  test('the secret lists name, scope and hash', () => {
    const keys = parseApiKeys(`app:signup:${HASH},\n ops:admin:${HASH.toUpperCase()}`)
    expect(keys?.map(({ name, scope }) => [name, scope])).toEqual([
      ['app', 'signup'],
      ['ops', 'admin'],
    ])
  })

  test.each([
    '',
    ' , ',
    'app',
    `app:root:${HASH}`,
    'app:signup:abcd',
    `App!:signup:${HASH}`,
    `app:ADMIN:${HASH}`,
  ])('%j is malformed', (text) => {
    expect(parseApiKeys(text)).toBeUndefined()
  })

  test('a key is found by its hash alone', async () => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('dev-key'))
    const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
    const keys = parseApiKeys(`other:admin:${HASH},dev:signup:${hex}`)!
    expect(await findApiKey('dev-key', keys)).toMatchObject({ name: 'dev', scope: 'signup' })
    expect(await findApiKey('dev-kez', keys)).toBeUndefined()
    expect(await findApiKey(hex, keys)).toBeUndefined()
  })

  test('admin may do what signup may, not the other way round', () => {
    const [key] = parseApiKeys(`app:signup:${HASH}`)!
    expect(hasScope(key!, 'signup')).toBe(true)
    expect(hasScope(key!, 'admin')).toBe(false)
    expect(hasScope({ ...key!, scope: 'admin' }, 'signup')).toBe(true)
  })
})

import { afterEach, expect, test, vi } from 'vitest'
import { log, scrub } from '../../worker/log.ts'

afterEach(() => vi.restoreAllMocks())

test('an event is one line of JSON, at its level', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  log('warn', 'signup_waits', { tenant: 'acme', attempts: 2, detail: 'line\nbreak', step: undefined })
  expect(warn).toHaveBeenCalledExactlyOnceWith(
    '{"level":"warn","event":"signup_waits","tenant":"acme","attempts":2,"detail":"line\\nbreak"}',
  )
})

test.each([
  ['a database token', 'token eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl!', 'token [secret]!'],
  ['one that was cut', 'eyJhbGciOiJFZERTQSJ9', '[secret]'],
  ['an API key', '"te_backend-1_0123456789abcdefghijklmn000000"', '"[secret]"'],
  ['what follows Bearer', '{"a":"Bearer s3cr3t"}', '{"a":"Bearer [secret]"}'],
  ['nothing else', 'acme-k3v9q0w2xz of te_st', 'acme-k3v9q0w2xz of te_st'],
])('%s in the words of others is masked', (_, text, masked) => {
  expect(scrub(text)).toBe(masked)
})

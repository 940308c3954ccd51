import { describe, expect, test } from 'vitest'
import { isTrustedBaseUrl, parseDatabaseUrl } from '../../src/hrana/url.ts'

describe('parseDatabaseUrl', () => {
  test.each([
    ['libsql://name-org.turso.io', 'https://name-org.turso.io/'],
    ['turso://name-org.turso.io', 'https://name-org.turso.io/'],
    ['https://name-org.aws-eu-west-1.turso.io/', 'https://name-org.aws-eu-west-1.turso.io/'],
    ['http://127.0.0.1:8788/db/acme', 'http://127.0.0.1:8788/db/acme/'],
    ['libsql://127.0.0.1:8788/db/acme/?tls=0', 'http://127.0.0.1:8788/db/acme/'],
    ['libsql://host:80?tls=0', 'http://host/'],
    ['libsql://host:443/?tls=1', 'https://host/'],
    ['libsql://host:443/?tls=0', 'http://host:443/'],
    ['libsql://host:80', 'https://host:80/'],
    ['LIBSQL://Host.Example/A', 'https://host.example/A/'],
  ])('%s is reached at %s', (url, base) => {
    expect(parseDatabaseUrl(url)).toBe(base)
  })

  test.each([
    ['', /"url" must be a database URL/],
    ['name-org.turso.io', /"url" must be/],
    ['file:local.db', /scheme "file:"/],
    ['wss://host', /scheme "wss:"/],
    ['libsql://user:secret@host', /without credentials/],
    ['libsql://host?authToken=secret', /no parameter but tls/],
    ['https://host?tls=0', /no parameter but tls/],
    ['http://host?tls=1', /no parameter but tls/],
    ['libsql://host#', /without credentials, query and fragment/],
    ['libsql://host?', /no parameter|without/],
    ['libsql://host/#frag', /without credentials, query and fragment/],
    ['libsql://', /"url" must be/],
  ])('%s is refused', (url, message) => {
    expect(() => parseDatabaseUrl(url)).toThrow(message)
  })

  test('a refusal quotes neither password nor token', () => {
    for (const url of ['libsql://user:hunter2@host', 'libsql://host?authToken=hunter2'])
      expect(() => parseDatabaseUrl(url)).toThrow(/^(?!.*hunter2)/)
  })
})

describe('isTrustedBaseUrl', () => {
  const configured = 'https://acme-org.turso.io/'
  const trusted = (url: string): boolean => isTrustedBaseUrl(url, configured, ['turso.io'])

  test.each(['https://acme-org.turso.io', 'https://acme-org.turso.io/x/', 'https://aws-1.acme-org.turso.io'])(
    'follows %s',
    (url) => expect(trusted(url)).toBe(true),
  )

  test.each([
    'http://acme-org.turso.io',
    'https://acme-org.turso.io:8443',
    'https://user:pass@acme-org.turso.io',
    'https://acme-org.turso.io.evil.example',
    'https://evilturso.io',
    'https://turso.io.',
    'http://169.254.169.254/latest/meta-data',
    'https://169.254.169.254',
    'file:///etc/passwd',
    'not a url',
    'https://acme-org.turso.io/?a=',
    'https://acme-org.turso.io#',
    '',
  ])('does not follow %s', (url) => expect(trusted(url)).toBe(false))

  test('follows plain HTTP only inside the configured origin', () => {
    expect(isTrustedBaseUrl('http://127.0.0.1:8788/db/a', 'http://127.0.0.1:8788/db/b/', [])).toBe(true)
    expect(isTrustedBaseUrl('http://127.0.0.1:8789/', 'http://127.0.0.1:8788/', ['0.0.1'])).toBe(false)
  })
})

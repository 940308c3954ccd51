import { describe, expect, test } from 'vitest'
import { version } from '../../package.json'
import { createDocument, templateOf } from '../../worker/api/document.ts'
import { operations } from '../../worker/api/operations.ts'
import { app } from '../../worker/app.ts'
import openapi from '../../worker/openapi.json'
import { PROBLEM_KINDS } from '../../worker/http/problem.ts'
import { renderReference } from '../../worker/routes/reference.ts'
import { call } from './client.ts'
import { expectDocumented } from './documented.ts'

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].toSorted()

describe('the documentation of the API', () => {
  test('has every route of the Worker, and no other', () => {
    const routed = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`)
    expect(sorted(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`))).toEqual(
      sorted(routed),
    )
  })

  test('is the one of the schemas: `npm run generate` writes it anew', () => {
    expect(openapi).toEqual(JSON.parse(JSON.stringify(createDocument(operations, version))))
  })

  test('is served, and says nothing of what the route next to it does', async () => {
    const response = await call('/openapi.json')
    expect(await response.json()).toEqual(openapi)
    expect(openapi.openapi).toMatch(/^3\.1\./)
  })

  test('refers to nothing that is not in it, and names each operation once', () => {
    const references = [...JSON.stringify(openapi).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)]
    expect(references.length).toBeGreaterThan(5)
    const known = Object.keys(openapi.components.schemas)
    expect(known).toEqual(expect.arrayContaining(sorted(references.map(([, name]) => name!))))
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length)
    for (const { path } of operations) expect(openapi.paths).toHaveProperty([templateOf(path)])
  })

  test('has every problem that there is, at some route or as what any path answers', () => {
    const documented = JSON.stringify(openapi.paths)
    const missing = Object.keys(PROBLEM_KINDS).filter((code) => !documented.includes(`\`${code}\``))
    expect(missing).toEqual(['method_not_allowed'])
  })

  test.each([
    ['a status that is not documented', new Response('{}', { status: 418 }), /status is not documented/],
    ['a member that is not', Response.json({ status: 'ok', secret: 1 }), /secret/],
    ['a member that is missing', Response.json({}), /status/],
    ['another content type', new Response('{"status":"ok"}'), /content type/],
    [
      'a problem that is not',
      new Response(
        JSON.stringify({ type: '', title: '', status: 404, code: 'not_found', detail: '', request_id: '' }),
        { status: 404, headers: { 'content-type': 'application/problem+json' } },
      ),
      /"not_found" is not documented/,
    ],
  ])('tells a real answer from %s', async (_, response, message) => {
    await expect(expectDocumented('GET', '/health', response)).rejects.toThrow(message)
  })
})

describe('the page', () => {
  test('has every route, and loads and runs nothing', async () => {
    const response = await call('/docs')
    const policy = response.headers.get('content-security-policy')!
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; /)
    const page = await response.text()
    expect(page).not.toMatch(/<script|<link|<img|src=|@import|url\(/)
    for (const { path } of operations) expect(page).toContain(templateOf(path))
    const [, style = ''] = /<style>([^<]*)<\/style>/.exec(page)!
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style))
    expect(policy).toContain(btoa(String.fromCharCode(...new Uint8Array(digest))))
  })

  test('shows what the document says as text', () => {
    const page = renderReference({
      info: { title: '<b>&', version: '1', description: 'a `code` "x"' },
      paths: {},
      components: { schemas: { A: { type: 'object', properties: { '<i>': { enum: ['"'] } } } } },
    })
    expect(page).toContain('<h1>&#60;b&#62;&#38; 1</h1><p>a <code>code</code> &#34;x&#34;')
    expect(page).toContain('"&#60;i&#62;"?: &#34;\\&#34;&#34;')
  })
})

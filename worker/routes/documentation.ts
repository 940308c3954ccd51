/** The documentation of the API, for programs and for people. */
import { Hono } from 'hono'
import type { AppEnvironment } from '../environment.ts'
import { methodNotAllowed } from '../middleware/method-not-allowed.ts'
import openapi from '../openapi.json'
import { renderReference, STYLE } from './reference.ts'

/** It changes with the Worker only. */
const CACHE = 'public, max-age=300'

export const documentation = new Hono<AppEnvironment>()
  .get('/openapi.json', (c) => c.json(openapi, 200, { 'cache-control': CACHE }))
  .all('/openapi.json', methodNotAllowed('GET'))
  .get('/docs', async (c) => {
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE))
    const hash = btoa(String.fromCharCode(...new Uint8Array(digest)))
    return c.html(renderReference(openapi), 200, {
      'cache-control': CACHE,
      'content-security-policy': `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
  })
  .all('/docs', methodNotAllowed('GET'))

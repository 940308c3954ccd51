/** Whose database a request of the gateway is for, and by which token. Before its body is read: a stranger's costs nothing. */
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { createAcceptedTokens, fingerprintOf } from '../gateway/accepted-tokens.ts'
import { isOwnSecret } from '../api-key.ts'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import {
  hranaErrorResponse,
  isOwnRefusal,
  NO_TENANT,
  OWN_SECRET,
  TENANT_SUSPENDED,
  type HranaError,
} from '../hrana/error.ts'
import type { TenantLocation } from '../record/outcome.ts'
import type { Destination } from '../session/exchange.ts'
import { parseTenantId } from '../http/schemas.ts'
import { countRight, countWrong, refuseShutOut } from './limit-rate.ts'
import { forgetLocation, locateTenant } from '../gateway/tenant-locations.ts'

const acceptedTokens = createAcceptedTokens()

export const findDatabase = createMiddleware<AppEnvironment>(async function findDatabase(c, next) {
  const tenantId = parseTenantId(c.req.param('tenant') ?? '')
  const token = /^Bearer +([\x21-\x7e]+) *$/i.exec(c.req.header('authorization') ?? '')?.[1]
  if (token === undefined) return hranaErrorResponse(NO_TOKEN, { 'www-authenticate': 'Bearer' })
  if (await isOwnSecret(token, readConfiguration(c.env))) return hranaErrorResponse(OWN_SECRET)
  const location: TenantLocation | null = await locateTenant(c.env, tenantId)
  if (location === null) return hranaErrorResponse(NO_TENANT)
  if (location.kind === 'suspended') return hranaErrorResponse(TENANT_SUSPENDED)
  const fingerprint = await fingerprintOf(location.url, token)
  const isTokenAccepted = acceptedTokens.has(fingerprint)
  if (!isTokenAccepted) refuseShutOut(c, 'wrong_token', tenantId)
  c.set('upstream', {
    tenantId,
    token,
    isTokenAccepted,
    databaseUrl: location.url,
    location: location.location,
  })
  await next()
  const { ok, status } = c.res
  // Nobody but the database says either; before a large body it was asked.
  const isLetIn = ok || (status !== 401 && c.get('upstream').isTokenAccepted)
  if (isLetIn || status === 401) acceptedTokens.learn(fingerprint, isLetIn)
  if (!isTokenAccepted) {
    if (isLetIn) countRight(c, 'wrong_token', tenantId)
    // Turso Cloud says 400 of what is no JWT.
    else if ([400, 401].includes(status) && !isOwnRefusal(c.res)) await countWrong(c, 'wrong_token', tenantId)
  }
  // Perhaps the tenant has another database by now.
  if (status === 404) forgetLocation(c.env, tenantId)
  return undefined
})

/** Behind it. */
export function destinationOf(c: Context<AppEnvironment>): Destination {
  const { tenantId, databaseUrl, token, isTokenAccepted } = c.get('upstream')
  const { baseUrlSuffixes } = readConfiguration(c.env)
  const logged = { tenant: tenantId, request_id: c.get('requestId') }
  return { databaseUrl, token, isTokenAccepted, baseUrlSuffixes, logged }
}

const NO_TOKEN: HranaError = {
  status: 401,
  code: 'AUTH_HEADER_NOT_FOUND',
  message: 'The request has no "Authorization: Bearer <database token>" header',
}

/**
 * `GET /t/:tenant/`, upgraded: Hrana over WebSocket. The upgrade is checked here; a Socket object has the rest, but of what
 * is only told why there is no database for it.
 */
import { Hono, type Context } from 'hono'
import { readConfiguration } from '../configuration.ts'
import type { AppEnvironment } from '../environment.ts'
import { hranaErrorResponse, NO_TENANT, TENANT_SUSPENDED, type HranaError } from '../hrana/error.ts'
import { limitUpgrades } from '../middleware/limit-rate.ts'
import { SOCKET_ORDER, type SocketOrder } from '../socket/attachment.ts'
import { newId, placeNear } from '../session/location-hint.ts'
import { parseTenantId } from '../http/schemas.ts'
import { locateTenant } from '../gateway/tenant-locations.ts'
import type { TenantLocation } from '../record/outcome.ts'
import { chooseSubprotocol, SUBPROTOCOLS, type Subprotocol } from '../socket/protocol.ts'
import { openRefused } from '../socket/refused.ts'

export const sockets = new Hono<AppEnvironment>().get('/t/:tenant', upgrade).get('/t/:tenant/', upgrade)

async function upgrade(c: Context<AppEnvironment>): Promise<Response> {
  if (c.req.header('upgrade')?.toLowerCase() !== 'websocket')
    return hranaErrorResponse(UPGRADE_REQUIRED, { upgrade: 'websocket', connection: 'Upgrade' })
  const chosen = chooseSubprotocol(c.req.header('sec-websocket-protocol') ?? null)
  if (chosen === undefined) return hranaErrorResponse(SUBPROTOCOL_UNSUPPORTED)
  const tenantId = parseTenantId(c.req.param('tenant') ?? '')
  const location: TenantLocation | null = await locateTenant(c.env, tenantId)
  // Of tenants that are not there anybody can make up as many as he likes.
  await limitUpgrades(c, location === null ? null : tenantId)
  if (location === null) return refused(chosen, NO_TENANT)
  if (location.kind === 'suspended') return refused(chosen, TENANT_SUSPENDED)
  const { jurisdiction } = readConfiguration(c.env)
  const id = newId(c.env.SOCKETS, jurisdiction)
  const near = jurisdiction === null ? location.location : null
  const { stub, hint } = placeNear(near, (options) => c.env.SOCKETS.get(id, options))
  const order: SocketOrder = {
    tenantId,
    databaseUrl: location.url,
    version: chosen.version,
    subprotocol: chosen.name,
    requestId: c.get('requestId'),
    hint,
  }
  const headers = new Headers({
    upgrade: 'websocket',
    [SOCKET_ORDER]: encodeURIComponent(JSON.stringify(order)),
  })
  const authorization = c.req.header('authorization')
  if (authorization !== undefined) headers.set('authorization', authorization)
  return await stub.fetch('https://socket/', { headers })
}

const refused = ({ version, name }: Subprotocol, error: HranaError): Response =>
  new Response(null, {
    status: 101,
    webSocket: openRefused(version, error),
    headers: { 'sec-websocket-protocol': name },
  })

const UPGRADE_REQUIRED: HranaError = {
  status: 426,
  code: 'UPGRADE_REQUIRED',
  message: 'This is for WebSockets. Over HTTP, Hrana is at v2/pipeline, v3/pipeline and v3/cursor below it',
}

const SUBPROTOCOL_UNSUPPORTED: HranaError = {
  status: 400,
  code: 'SUBPROTOCOL_UNSUPPORTED',
  message: `Sec-WebSocket-Protocol must have one of these subprotocols: ${SUBPROTOCOLS.join(', ')}`,
}

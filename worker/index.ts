/** The Worker: its entry points and its Durable Objects. No logic. */
import { app } from './app.ts'
import { sweep } from './sweeper/sweep.ts'

export { Session } from './objects/session.ts'
export { Socket } from './objects/socket.ts'
export { Tenant } from './objects/tenant.ts'
export { TenantSessions } from './objects/tenant-sessions.ts'
export { Upstream } from './objects/upstream.ts'
export { Tenants } from './binding/service.ts'

export default {
  fetch: app.fetch,
  scheduled: ({ scheduledTime }, env) => sweep(env, scheduledTime),
} satisfies ExportedHandler<Env>

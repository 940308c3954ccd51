/** The Worker: its entry point and its Durable Objects. No logic. */
import { app } from './app.ts'

export { Session } from './objects/session.ts'
export { Socket } from './objects/socket.ts'
export { Tenant } from './objects/tenant.ts'
export { Upstream } from './objects/upstream.ts'

export default { fetch: app.fetch } satisfies ExportedHandler<Env>

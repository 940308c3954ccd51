/** A Worker that goes in the middle of a transaction, and disposes of nothing. */
import type { TenantsService } from '../../../src/index.ts'

export default {
  async fetch(request: Request, { TENANTS }: { TENANTS: TenantsService }): Promise<Response> {
    const session = await TENANTS.session(new URL(request.url).searchParams.get('id') ?? '')
    const transaction = await session.transaction()
    const { rowsAffected } = await transaction.execute("insert into notes (title) values ('left')")
    return Response.json({ rowsAffected })
  },
}

/** A Worker that goes in the middle of a transaction, or even of a statement, and disposes of nothing. */
import type { TenantsService } from '../../../src/index.ts'

export default {
  async fetch(request: Request, { TENANTS }: { TENANTS: TenantsService }): Promise<Response> {
    const { searchParams } = new URL(request.url)
    const session = await TENANTS.session('left')
    const transaction = await session.transaction()
    const { rowsAffected } = await transaction.execute("insert into notes (title) values ('left')")
    const underWay = searchParams.get('under-way')
    if (underWay !== null) {
      const unfinished = transaction.execute("insert into notes (title) values ('unfinished')")
      unfinished.catch(() => undefined)
      // Answers when the database has it.
      await fetch(underWay)
    }
    return Response.json({ rowsAffected })
  },
}

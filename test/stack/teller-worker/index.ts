/** A Worker that moves money between the accounts of a tenant through the service binding, and says what it was told. */
import type { TenantsService, TenantSessionError } from '../../../src/index.ts'

export default {
  async fetch(request: Request, { TENANTS }: { TENANTS: TenantsService }): Promise<Response> {
    const { tenant, id, from, to, amount, thinkingMs, givesUp } = (await request.json()) as TellerRequest
    let isCommitting = false
    try {
      using session = await TENANTS.session(tenant)
      using transaction = await session.transaction()
      const { rows } = await transaction.execute<{ id: number; balance: number }>(
        'select id, balance from accounts where id in (?, ?)',
        [from, to],
      )
      const balances = new Map(rows.map((row) => [row.id, row.balance]))
      await new Promise((resolve) => setTimeout(resolve, thinkingMs))
      await transaction.batch([
        { sql: 'update accounts set balance = ? where id = ?', args: [balances.get(from)! - amount, from] },
        { sql: 'update accounts set balance = ? where id = ?', args: [balances.get(to)! + amount, to] },
        { sql: 'insert into transfers values (?, ?, ?, ?)', args: [id, from, to, amount] },
      ])
      if (givesUp) return Response.json({ told: 'not_committed' })
      isCommitting = true
      await transaction.commit()
      return Response.json({ told: 'committed' })
    } catch (error) {
      const { outcome, code } = error as TenantSessionError
      const isRolledBack = !isCommitting || outcome === 'rolled_back' || code === 'sql_error'
      return Response.json({ told: isRolledBack ? 'not_committed' : 'unknown', code })
    }
  },
}

export interface TellerRequest {
  tenant: string
  id: string
  from: number
  to: number
  amount: number
  thinkingMs: number
  /** Leaves the transaction instead of committing it. */
  givesUp: boolean
}

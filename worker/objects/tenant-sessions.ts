/**
 * Durable Object, one per tenant: which of its sessions hold a stream of its database. Asked before a session opens one, so
 * that no tenant takes them all; and by operators.
 */
import { DurableObject } from 'cloudflare:workers'
import { readConfiguration } from '../configuration.ts'
import { markLive, unmarkLive } from '../directory/live-tenants.ts'
import { SESSION_LEASE_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { createAlarm } from '../session/alarm.ts'
import { admit, forgetEnded, type Admission, type Lease, type LeaseRequest } from '../session/leases.ts'
import { objectOf } from '../session/objects.ts'

export class TenantSessions extends DurableObject<Env> {
  readonly #alarm = createAlarm(this.ctx)
  /** As stored; `null` until it is read. */
  #leases: Map<string, Lease> | null = null

  admit(request: LeaseRequest, isDispensable: boolean): Admission {
    const { standard, byTenant } = readConfiguration(this.env).sessionLimits
    const rules = {
      limit: byTenant.get(this.#tenant) ?? standard,
      isDispensable,
      leaseMs: SESSION_LEASE_MS,
      drainUntil: this.ctx.storage.kv.get<number>('drainUntil') ?? null,
    }
    const leases = this.#current()
    const admission = admit(leases, request, rules, Date.now())
    if (admission.kind === 'admitted') {
      this.ctx.storage.kv.put(`lease/${request.id}`, leases.get(request.id))
      this.#alarm.wakeBy(admission.until)
      if (this.ctx.storage.kv.get('isListed') !== true) this.ctx.waitUntil(this.#list())
    }
    return admission
  }

  release(id: string): void {
    this.#read().delete(id)
    this.ctx.storage.kv.delete(`lease/${id}`)
  }

  /** In the order of their ids, behind the one of this id. */
  list(after: string, limit: number): Lease[] {
    return [...this.#current().values()]
      .filter(({ id }) => id > after)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
  }

  /**
   * Those that have a transaction may end it until `by`; the others let go at once.
   *
   * @param until before which no session begins; `null` leaves that as it is
   * @returns how many there were
   */
  async drain(by: number, until: number | null): Promise<number> {
    if (until !== null) {
      this.ctx.storage.kv.put('drainUntil', until)
      this.#alarm.wakeBy(until)
    }
    const leases = [...this.#current().values()]
    const objects = new Set(leases.map(({ id }) => id.split('/')[0]!))
    await Promise.all([...objects].map((id) => this.#drainObject(id, by)))
    return leases.length
  }

  /** One that cannot be told keeps nobody else waiting: what it holds ends by its own limits. */
  async #drainObject(id: string, by: number): Promise<void> {
    try {
      await objectOf(this.env, id)?.drain(by)
    } catch (error) {
      log('warn', 'session_not_drained', { tenant: this.#tenant, session: id, detail: errorText(error) })
    }
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang()
    const now = Date.now()
    const { kv } = this.ctx.storage
    const drainUntil = kv.get<number>('drainUntil')
    if (drainUntil !== undefined && now >= drainUntil) kv.delete('drainUntil')
    const ends = [...this.#current().values()].map(({ until }) => until)
    if (drainUntil !== undefined && now < drainUntil) ends.push(drainUntil)
    if (ends.length > 0) return this.#alarm.wakeBy(Math.min(...ends))
    await this.#unlist()
  }

  /** Lets operators find the tenant who do not ask for it by name. Off the way of any request. */
  async #list(): Promise<void> {
    this.ctx.storage.kv.put('isListed', true)
    try {
      await markLive(this.env.DIRECTORY, this.#tenant, Date.now())
    } catch (error) {
      // The next session tries again.
      this.ctx.storage.kv.delete('isListed')
      log('warn', 'live_tenant_not_listed', { tenant: this.#tenant, detail: errorText(error) })
    }
  }

  async #unlist(): Promise<void> {
    this.ctx.storage.kv.delete('isListed')
    await unmarkLive(this.env.DIRECTORY, this.#tenant)
    // A session may have begun meanwhile, or a drain, which has set its own alarm.
    if (this.#read().size > 0) return await this.#list()
    if (this.ctx.storage.kv.get('drainUntil') !== undefined) return
    this.#alarm.rang()
    await this.ctx.storage.deleteAll()
  }

  get #tenant(): string {
    return this.ctx.id.name ?? ''
  }

  /** Those that are not over; the others are forgotten here and in storage. */
  #current(): Map<string, Lease> {
    const leases = this.#read()
    for (const id of forgetEnded(leases, Date.now())) this.ctx.storage.kv.delete(`lease/${id}`)
    return leases
  }

  #read(): Map<string, Lease> {
    this.#leases ??= new Map(
      Array.from(this.ctx.storage.kv.list<Lease>({ prefix: 'lease/' }), ([, lease]) => [lease.id, lease]),
    )
    return this.#leases
  }
}

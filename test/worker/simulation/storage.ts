/**
 * One seed of what is shipped between a Tenant object and the directory: its storage, its deliveries, its one alarm, the outbox,
 * and the SQL that D1 is sent, over a real SQLite. Objects are gone at any moment, and D1 fails before and after the deed,
 * answers never, late or twice. Then all is quiet, and the directory must be what the object is, with each deed once.
 *
 * For Node alone, which has a SQLite.
 */
import type { Deed } from '../../../worker/directory/audit.ts'
import { rowOf } from '../../../worker/directory/row.ts'
import { migrateDirectory } from '../../../worker/directory/schema.ts'
import { createTenantStorage, type TenantStorage } from '../../../worker/objects/tenant-storage.ts'
import { beginSignup, type TenantRecord } from '../../../worker/record/tenant.ts'
import { wakeAt } from '../../../worker/saga/run.ts'
import { createRandom } from './random.ts'
import { createSqliteDirectory } from './sqlite-directory.ts'
import { createVirtualTime } from './virtual-time.ts'

const STEPS = 60
/** More than the longest delay of a delivery. */
const CALM_MS = 4 * 3_600_000

/** @throws {Error} that says what did not hold */
export async function simulateStorage(seed: number, log: (line: string) => void = () => {}): Promise<void> {
  const random = createRandom(seed)
  const time = createVirtualTime()
  let isFaulty = false
  const directory = createSqliteDirectory({ random, time, isFaulty: () => isFaulty })
  try {
    await time.settle(migrateDirectory(directory.database))
    isFaulty = true
    await live()
  } finally {
    time.restore()
    directory.close()
  }

  async function live(): Promise<void> {
    const violated = (what: string): never => {
      throw new Error(`seed ${seed}, after ${time.passed()} ms: ${what}`)
    }
    const kept = new Map<string, unknown>()
    let alarmAt: number | null = null
    /** The instance whose alarm goes off at the moment. */
    let ringing: number | null = null
    let instance = 0
    let object: TenantStorage = start()
    let lives = 0
    let asked = 0
    let forgotten = 0

    function start(): TenantStorage {
      const own = (instance += 1)
      // What an object that is gone writes does not come to pass; nor does it go on.
      const ifAlive = <T>(action: () => T): T => {
        if (own !== instance) throw new Error('the object is gone')
        return action()
      }
      const kv = {
        get: (key: string) => ifAlive(() => structuredClone(kept.get(key))),
        put: (key: string, value: unknown) => ifAlive(() => void kept.set(key, structuredClone(value))),
        delete: (key: string) => ifAlive(() => kept.delete(key)),
        list: ({ prefix, limit }: { prefix: string; limit: number }) =>
          ifAlive(() =>
            [...kept]
              .filter(([key]) => key.startsWith(prefix))
              .toSorted(([a], [b]) => (a < b ? -1 : 1))
              .slice(0, limit)
              .map(([key, value]) => [key, structuredClone(value)]),
          ),
      }
      const storage = {
        kv,
        setAlarm: async (at: number) => ifAlive(() => void (alarmAt = at)),
        deleteAlarm: async () => ifAlive(() => void (alarmAt = null)),
        deleteAll: async () =>
          ifAlive(() => {
            kept.clear()
            alarmAt = null
          }),
      }
      const context = { storage, waitUntil: (work: Promise<unknown>) => void work.catch(() => undefined) }
      return createTenantStorage(context as unknown as DurableObjectState, directory.database)
    }

    const read = (): TenantRecord | undefined => kept.get('tenant') as TenantRecord | undefined
    const deed = (): Deed => ({
      actor: 'key:app',
      requestId: `r${(asked += 1)}`,
      action: 'token',
      outcome: 'created',
    })

    function begin(): void {
      lives += 1
      const order = { id: 't', name: null, metadata: {}, group: 'g', location: 'l', template: null }
      const identity = { nonce: `${lives}`, databaseName: `t-${lives}` }
      const signup = { ...order, fingerprint: '', idempotencyKeys: [] }
      const record: TenantRecord = {
        ...beginSignup(signup, identity, undefined, Date.now()),
        status: 'active',
        databaseId: 'd',
        hostname: 'h',
      }
      void object.write(record, null, deed(), true)
    }

    function change(record: TenantRecord): void {
      const name = `name ${time.passed()}`
      const retryAt = Date.now() + random.between(1, 1_000_000)
      const orphan = {
        name: `o-${name}`,
        since: Date.now(),
        attempts: 0,
        retryAt,
        mayAppear: false,
        absences: 0,
        unproven: null,
      }
      const orphans = random.pick([record.orphans, record.orphans.slice(1), [...record.orphans, orphan]])
      const changed = { ...record, name, orphans, run: record.run + 1 }
      void object.write(changed, wakeAt(changed, Date.now()), deed())
    }

    /** As `Tenant` does it, for a saga that has nothing to do but wait. */
    async function alarm(): Promise<void> {
      alarmAt = null
      object.alarmCame()
      const record = object.read()
      if (record === undefined) await object.comeBack()
      else {
        const orphans = record.orphans.filter(({ retryAt }) => retryAt > Date.now())
        const next = { ...record, orphans, run: record.run + 1 }
        await object.write(next, wakeAt(next, Date.now()))
      }
      await object.deliver()
    }

    /** One at a time. One that fails, or whose object is gone, comes again. */
    function ring(): void {
      const own = instance
      ringing = own
      const end = (hasFailed: boolean): void => {
        if (ringing !== own) return
        ringing = null
        if (hasFailed) alarmAt ??= Date.now() + 2_000
      }
      alarm().then(
        () => end(false),
        () => end(true),
      )
    }

    function evict(): void {
      object = start()
      if (ringing !== null) alarmAt ??= Date.now()
      ringing = null
    }

    async function advance(ms: number): Promise<void> {
      const until = Date.now() + ms
      do {
        await time.drain()
        const ringsAt = ringing === null ? (alarmAt ?? Infinity) : Infinity
        if (ringsAt <= Date.now()) ring()
        else await time.step(Math.min(time.next() ?? Infinity, ringsAt, until) - Date.now())
      } while (Date.now() < until)
      await time.drain()
    }

    function check(): void {
      const outbox = kept.get('outbox') as { retryAt: number | null } | undefined
      if ((outbox?.retryAt ?? null) !== null && alarmAt === null && ringing === null)
        violated('something is owed, and no alarm comes if the object is gone')
      if (read() !== undefined && outbox === undefined)
        violated('a tenant is kept, and how far the directory is is not')
    }

    for (let step = 0; step < STEPS; step++) {
      const record = read()
      const kind = random.pick([
        'change',
        'change',
        'change',
        'forget',
        'evict',
        'wake',
        'publish',
        'wait',
        'wait',
      ] as const)
      log(`${time.passed()} ${record === undefined ? 'begin' : kind}`)
      if (record === undefined && random.chance(0.7)) begin()
      else if (kind === 'evict') evict()
      else if (kind === 'wake') void object.wake().catch(() => undefined)
      else if (kind === 'publish') void object.publish().catch(() => undefined)
      else if (record !== undefined && kind === 'change') change(record)
      else if (record !== undefined && kind === 'forget') {
        forgotten += 1
        void object.store(undefined, null).catch(() => undefined)
      }
      check()
      await advance(random.pick([0, 1, random.between(1, 6_000), random.between(1, 200_000)]))
      check()
    }
    isFaulty = false
    await advance(CALM_MS)
    const record = read()
    const row = record === undefined ? null : rowOf(record)
    const said = directory.read()
    const right = {
      rows: row === null ? [] : [{ name: row.name, status: row.status, database: row.database }],
      orphans: row === null ? [] : row.orphans.map(({ name }) => name).toSorted(),
    }
    if (JSON.stringify({ rows: said.rows, orphans: said.orphans }) !== JSON.stringify(right))
      violated(`I2: the directory has ${JSON.stringify(said)} of ${JSON.stringify(right)}`)
    if (record === undefined && kept.size > 0)
      violated(`of a tenant that is gone ${[...kept.keys()].join()} is kept`)
    if ([...kept.keys()].some((key) => key.startsWith('audit:'))) violated('I8: rows of the audit are left')
    const rows = said.audit.reduce((sum, { repeats }) => sum + 1 + repeats, 0)
    if (rows !== asked + forgotten)
      violated(`I8: of ${asked} deeds and ${forgotten} ends the audit has ${rows}`)
  }
}

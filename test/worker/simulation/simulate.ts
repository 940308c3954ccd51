/**
 * One seed: a few tenants that are signed up, again and again and at once, through faults, evictions, alarms that come
 * late, twice or never, and clocks that jump. Then all is quiet, and everything must end well.
 *
 * What is simulated is the world. The saga, its runs and the rules of admission are those that are shipped.
 */
import type { Caller } from '../../../worker/directory/audit.ts'
import { rowOf } from '../../../worker/directory/row.ts'
import { ALARM_BUDGET_MS, STUCK_AFTER_MS, SIGNUP_BUDGET_MS } from '../../../worker/limits.ts'
import { isReady } from '../../../worker/saga/access.ts'
import { mayHaveDatabase } from '../../../worker/saga/machine.ts'
import {
  admit,
  beginSignup,
  change,
  handOver,
  hurry,
  orderOf,
  remove,
  restore,
  withKey,
  type TenantRecord,
} from '../../../worker/record/tenant.ts'
import { createDirectory, createPublisher } from './directory.ts'
import { createGate } from './gate.ts'
import { createObject, type SimulatedObject } from './object.ts'
import { createRandom } from './random.ts'
import { createTurso, SCHEMA_VERSION } from './turso.ts'

export interface Summary {
  events: number
  created: number
  failed: number
  evictions: number
  suspensions: number
}

const CALLER: Caller = { actor: 'key:app', requestId: 'r' }

const HOUR_MS = 3_600_000
/** The time of faults, and the time within which all must have ended after it. */
const FAULTY_MS = 600_000
const QUIET_MS = 24 * HOUR_MS
/** And that within which what failed or was deleted is forgotten. */
const FORGETFUL_MS = 10 * QUIET_MS
const CRON_MS = 600_000
const MAX_EVENTS = 20_000
/**
 * How late a request that was given up may arrive at Turso, by how often the clock jumps: the saga looks four times, with delays
 * of at least half a minute, one and two between, and each jump may take the longest of them away.
 */
const LATEST_MS = [200_000, 85_000, 25_000]
/** For how long D1 is down in some seeds, and how often an object may ask it in the last eleven hours of that. */
const OUTAGE_MS = 12 * HOUR_MS
const MAX_ASKED = 80

/** @throws {Error} that says which invariant did not hold */
export function simulate(seed: number, log: (line: string) => void = () => {}): Summary {
  const random = createRandom(seed)
  const summary: Summary = { events: 0, created: 0, failed: 0, evictions: 0, suspensions: 0 }
  let time = Date.UTC(2026, 0, 1)
  let skew = 0
  const begin = time
  const clock = (): number => time + skew
  const isFaulty = (): boolean => time - begin < FAULTY_MS

  const queue: { at: number; number: number; action: () => void }[] = []
  let scheduled = 0
  const after = (ms: number, action: () => void): void => {
    const event = { at: time + ms, number: (scheduled += 1), action }
    let index = queue.length
    while (index > 0 && queue[index - 1]!.at > event.at) index--
    queue.splice(index, 0, event)
  }

  const violated = (what: string): never => {
    throw new Error(`seed ${seed}, after ${time - begin} ms: ${what}`)
  }
  let jumps = random.pick([0, 0, 1, 2])
  const turso = createTurso(
    { random, now: () => time, after, isFaulty, latestMs: LATEST_MS[jumps]!, changed: check, violated },
    random.pick([0, 0.1, 0.3, 0.6]),
  )
  const throughGate = createGate({ random, clock, after }, turso.send, random.pick([0.5, 1]))
  const directory = createDirectory()
  const outageMs = random.pick([0, 0, 0, OUTAGE_MS])
  const isDown = (): boolean => time - begin < outageMs
  const send = createPublisher(directory, { random, after, isFaulty, isDown }, random.pick([0, 0.2, 0.5]))
  let asked = 0
  const publish: typeof send = (publication, settle) => {
    // I12: what is down costs little, however long it is.
    if (isDown() && time - begin > FAULTY_MS + HOUR_MS && (asked += 1) > MAX_ASKED * objects.length)
      violated('I12: D1 is down and asked over and over')
    send(publication, settle)
  }
  const objects = Array.from({ length: random.between(1, 3) }, (_, index) =>
    createObject(`t${index}`, {
      clock,
      random: random.next,
      after,
      send: throughGate,
      publish,
      stored,
      settled,
    }),
  )
  /** How many rows each kind of request should have left in the audit. */
  let deeds = 0
  /** Databases that somebody was told are theirs, by the key of the signup. */
  const handedOut = new Map<string, string>()
  /** Databases of which somebody has a token. */
  const given = new Set<string>()
  const active = new Map<string, string>()
  const removed = new Set<string>()
  /** Tenants that are suspended by the last word of their operator. */
  const suspended = new Set<string>()
  /** How an operator has called tenants last. */
  const names = new Map<string, string>()
  let identities = 0

  function check(): void {
    for (const [name, { isForeign, owner }] of turso.databases) {
      const object = objects.find(({ id }) => name.startsWith(`${id}-`))
      const record = object?.read()
      // I1 and I2: each database is the one of its tenant, or an orphan that is known.
      const isKnown =
        record !== undefined &&
        ((record.databaseName === name && mayHaveDatabase(record)) ||
          record.orphans.some((orphan) => orphan.name === name && orphan.since > 0))
      // What is somebody else's is not the tenant's business.
      if (!isKnown && !(isForeign && owner?.tenant !== object?.id))
        violated(`I2: the database ${name} is nobody's`)
    }
    // I10: what somebody was given stays.
    for (const [caller, name] of handedOut) {
      const record = objects.find(({ id }) => caller.startsWith(`${id} `))?.read()
      const isPurged = record?.status === 'deleting' && record.purgeAt === null
      if (turso.deleted.has(name) && !isPurged)
        violated(`I10: the database ${name} was handed out and deleted`)
    }
  }

  function stored(object: SimulatedObject): void {
    log(`${time - begin} ${object.id} ${object.storage ?? 'nothing'}`)
    if (object.storage?.includes('SECRET')) violated(`I7: a token is stored in ${object.id}`)
    const record = object.read()
    if (record === undefined) {
      // The next life of the id owes nothing to this one.
      active.delete(object.id)
      removed.delete(object.id)
      suspended.delete(object.id)
      names.delete(object.id)
      for (const caller of handedOut.keys()) if (caller.startsWith(`${object.id} `)) handedOut.delete(caller)
    }
    check()
    // I4: or the next signup without a key would get one too.
    if (record !== undefined && given.has(record.databaseName) && !record.isHandedOut)
      violated(`I4: ${record.databaseName} was handed out, and that is forgotten`)
    // I11: the last word counts, whatever else goes on.
    if (record !== undefined && (record.suspension !== null) !== suspended.has(object.id))
      violated(`I11: ${object.id} is ${record.suspension === null ? 'not ' : ''}suspended`)
    if (record !== undefined && record.name !== (names.get(object.id) ?? null))
      violated(`I11: ${object.id} was named ${names.get(object.id)} and is ${record.name}`)
    if (record?.inFlight && object.alarmAt === null)
      violated(`I6: ${object.id} has begun a call, and no alarm comes if nobody sees its end`)
    if (record?.status === 'deleting') {
      if (!removed.has(object.id)) violated(`I11: ${object.id} is deleted, and nobody wants it to be`)
      return
    }
    if (removed.has(object.id)) violated(`I1: ${object.id} was deleted and is ${record?.status}`)
    if (record?.status === (suspended.has(object.id) ? 'active' : 'suspended'))
      violated(`I11: ${object.id} is ${record.status}`)
    if (record?.status !== 'active' && record?.status !== 'suspended') {
      if (active.has(object.id)) violated(`I1: ${object.id} was active and is no more`)
      return
    }
    // Somebody fetches the first token while Turso is told something of the tenant.
    if (isFaulty() && !record.isHandedOut && record.access.mayChange && random.chance(0.3)) mint(object)
    // Somebody changes their mind just when it is nearly certain that Turso has heard of it.
    if (isFaulty() && record.access.confirmations > 0 && random.chance(suspensions / 2))
      after(random.between(0, 5_000), () => suspendOrResume(object))
    // I3: active means ready, and I13: with a database that is the tenant's own.
    const { databaseName: name, schemaVersion } = record
    const { owner, hasForeignData } = turso.databases.get(name) ?? {}
    if (hasForeignData || owner?.nonce !== record.nonce)
      violated(`I13: ${name} is not marked as ${object.id}'s`)
    if (!turso.databases.get(name)?.hasSchema || schemaVersion !== SCHEMA_VERSION)
      violated(`I3: ${object.id} is active without a database that is ready`)
    if ((active.get(object.id) ?? name) !== name) violated(`I1: ${object.id} has got another database`)
    active.set(object.id, name)
  }

  /** I2 in the directory: an object that owes it nothing is what it says, and all that was done is in the audit. */
  function settled({ id, read, beside }: SimulatedObject): void {
    const record = read()
    const known = JSON.stringify(directory.rows.get(id)?.row)
    const expected = record && JSON.stringify(rowOf(record))
    if (known !== expected)
      violated(`I2: nothing is owed to the directory, which has ${known} of ${expected}`)
    if ([...beside.keys()].some((key) => key.startsWith('audit:')))
      violated(`I8: nothing is owed to the directory, and ${id} has rows of the audit left`)
  }

  function signUp(object: SimulatedObject, body: string, key: string | null, waitMs: number): void {
    if (object.isBusy()) return
    const intent = {
      // Half of the tenants begin as a copy.
      request: object.id === 't1' ? { id: object.id, template: 'template' } : { id: object.id },
      group: 'default',
      location: 'here',
      fingerprint: body,
      idempotencyKey: key,
    }
    const known = object.read()
    const admission = admit(known, intent)
    log(`${time - begin} ${object.id} signup ${body} ${key ?? ''}: ${admission}`)
    const handOut = (record: TenantRecord): void => {
      const handedOver = handOver(object.read(), record)
      if (typeof handedOver === 'string') return
      if (suspended.has(object.id)) violated(`I11: ${object.id} is suspended and was handed out`)
      if (!turso.databases.get(record.databaseName)?.hasSchema)
        violated(`I3: ${object.id} was handed out without a database`)
      const sameKey = `${object.id} ${key ?? 'none'} ${body}`
      // I4: the same key and body lead to the same database, and without a key nothing is handed out twice.
      const former = handedOut.get(sameKey)
      if (former !== undefined && (former !== record.databaseName || key === null))
        violated(`I4: ${sameKey} was given ${former} and then ${record.databaseName}`)
      handedOut.set(sameKey, record.databaseName)
      given.add(record.databaseName)
      summary.created += 1
      deeds += 1
      object.store(handedOver, { ...CALLER, action: 'token', outcome: 'created' })
    }
    switch (admission) {
      case 'replay':
      case 'claim':
        return handOut(withKey(known!, key))
      case 'begin':
      case 'resume': {
        const record =
          admission === 'begin'
            ? beginSignup(orderOf(intent), identity(object.id), known, clock())
            : hurry(withKey(known!, key), clock())
        const deadline = time + waitMs
        deeds += 1
        if (admission === 'begin') names.delete(object.id)
        object.run(
          record,
          clock() + waitMs,
          (last, token) => {
            if (last?.status === 'active' && time <= deadline) {
              if (!token?.endsWith(` for ${last.databaseName}`)) violated(`I3: ${object.id} has no token`)
              handOut(last)
            }
          },
          { ...CALLER, action: 'signup', outcome: 'begun' },
        )
        return
      }
      default:
    }
  }

  /** A token on demand: Turso takes its time, and all else goes on meanwhile. */
  function mint(object: SimulatedObject): void {
    const known = object.read()
    if (known?.status !== 'active') return
    if (random.chance(0.5)) after(random.between(0, 5_000), () => suspendOrResume(object))
    after(random.between(1, 10_000), () => {
      const handedOver = handOver(object.read(), known)
      if (typeof handedOver === 'string') return
      if (suspended.has(object.id)) violated(`I11: ${object.id} is suspended and was handed out`)
      given.add(known.databaseName)
      deeds += 1
      object.store(handedOver, { ...CALLER, action: 'token', outcome: 'created' })
    })
  }

  function retry(object: SimulatedObject): void {
    const known = object.read()
    if (object.isBusy() || known === undefined || isReady(known) || known.status === 'deleting') return
    const record =
      known.status === 'failed'
        ? beginSignup(known, identity(object.id), known, clock())
        : hurry(known, clock())
    deeds += 1
    const deed = { ...CALLER, action: 'retry', outcome: 'resumed' } as const
    object.run(record, clock() + SIGNUP_BUDGET_MS, () => {}, deed)
  }

  function removeOrRestore(object: SimulatedObject): void {
    const known = object.read()
    if (known === undefined) return
    const next = random.chance(0.6)
      ? remove(known, clock(), random.chance(0.2) ? 0 : undefined)
      : restore(known)
    if (next === null || next === known) return
    const isRestored = isReady(next)
    log(`${time - begin} ${object.id} ${isRestored ? 'restored' : 'removed'}`)
    if (isRestored) removed.delete(object.id)
    else removed.add(object.id)
    deeds += 1
    const action = isRestored ? 'restore' : 'delete'
    object.store(next, { ...CALLER, action, outcome: 'done' }, clock())
    const follow = random.pick([removeOrRestore, removeOrRestore, suspendOrResume, () => {}])
    // While Turso is told of a suspension, too.
    if (!isRestored && next.suspension !== null) after(random.between(0, 500), () => removeOrRestore(object))
    after(random.between(0, random.pick([500, 10_000])), () => follow(object))
  }

  function suspendOrResume(object: SimulatedObject): void {
    const known = object.read()
    const isSuspended = random.chance(0.5)
    const name = random.chance(0.3) ? `name ${time}` : (known?.name ?? null)
    const next = known && change(known, { suspended: isSuspended, name }, clock())
    if (!next || next === known) return
    if (name !== null) names.set(object.id, name)
    const action = isSuspended ? 'suspend' : 'resume'
    log(`${time - begin} ${object.id} ${action}`)
    if (isSuspended) suspended.add(object.id)
    else suspended.delete(object.id)
    summary.suspensions += 1
    deeds += 1
    const deed = { ...CALLER, action, outcome: 'accepted' } as const
    object.run(next, clock() + random.pick([0, SIGNUP_BUDGET_MS]), () => {}, deed)
    if (random.chance(0.3)) after(random.between(0, 200_000), () => suspendOrResume(object))
  }

  function identity(id: string): Pick<TenantRecord, 'nonce' | 'databaseName'> {
    identities += 1
    const name = `${id}-${identities}`
    // Two names are the same by chance: it may be there before, between or after our own calls.
    if (random.chance(collisions)) {
      const ms = random.pick([0, random.between(0, 1_000), random.between(0, 60_000)])
      after(ms, () => turso.makeForeign(name))
      after(ms + random.pick([0, random.between(0, 5_000)]), () => turso.fillForeign(name))
    }
    return { nonce: `${identities}`, databaseName: name }
  }

  function chaos(): void {
    if (!isFaulty()) return
    const object = random.pick(objects)
    if (random.chance(evictions)) {
      summary.evictions += 1
      object.evict(random.chance(0.3))
    }
    // An alarm that has come comes again.
    if (random.chance(0.01)) object.alarm(ALARM_BUDGET_MS)
    if (random.chance(losses)) object.loseAlarm()
    if (jumps > 0 && random.chance(0.01)) {
      jumps -= 1
      skew += random.pick([-1, 1]) * random.between(0, 3 * HOUR_MS)
    }
  }
  const collisions = random.pick([0, 0, 0.3])
  const evictions = random.pick([0, 0.02, 0.1, 0.3])
  const losses = random.pick([0, 0, 0.02])

  const removals = random.pick([0, 0, 0.3])
  const suspensions = random.pick([0, 0.3, 0.6])
  for (const object of objects) {
    // The first one must come about, whatever happens to it.
    after(random.between(0, 1_000), () => signUp(object, 'body A', 'key 1', SIGNUP_BUDGET_MS))
    for (let count = random.between(0, 8); count > 0; count--)
      after(random.between(0, random.pick([2_000, FAULTY_MS])), () => {
        if (random.chance(0.2)) retry(object)
        else if (random.chance(0.1)) mint(object)
        else if (random.chance(removals)) removeOrRestore(object)
        else if (random.chance(suspensions)) suspendOrResume(object)
        else
          signUp(
            object,
            random.chance(0.8) ? 'body A' : 'body B',
            random.pick([null, 'key 1', 'key 2']),
            random.pick([0, 2_000, SIGNUP_BUDGET_MS]),
          )
      })
  }

  const wakeUp = (): void => {
    for (const object of objects) {
      if (object.alarmAt === null || object.alarmAt > clock()) continue
      object.alarm(ALARM_BUDGET_MS)
      if (isFaulty() && random.chance(0.1)) object.alarm(ALARM_BUDGET_MS)
    }
  }
  /** True time of the next alarm; a late one is up to a minute late. */
  const nextAlarm = (): number => {
    const times = objects.flatMap(({ alarmAt }) => (alarmAt === null ? [] : [alarmAt - skew]))
    return times.length === 0 ? Infinity : Math.min(...times)
  }

  /** The cron asks the objects of tenants that should have changed by themselves. */
  function cron(): void {
    ranAt = time
    for (const [tenant, held] of directory.rows) {
      if (held.expectedBy === null || held.expectedBy > clock()) continue
      held.expectedBy = clock() + STUCK_AFTER_MS
      const isKnown = objects.find(({ id }) => id === tenant)?.wake()
      const revision = held.revision + 1
      if (!isKnown) directory.apply({ tenant, revision, row: null, audit: [] })
    }
  }
  let ranAt = begin
  /** True time at which it finds something to do. */
  const nextCron = (): number => {
    const times = [...directory.rows.values()].flatMap(({ expectedBy }) => expectedBy ?? [])
    return times.length === 0 ? Infinity : Math.max(ranAt + CRON_MS, Math.min(...times) - skew)
  }

  function runUntil(end: number): void {
    for (;;) {
      if ((summary.events += 1) > MAX_EVENTS) violated('I6: it does not come to an end')
      chaos()
      const event = queue[0]
      const alarmAt = nextAlarm()
      const cronAt = nextCron()
      if (Math.min(event?.at ?? Infinity, alarmAt, cronAt) > end) return
      if (cronAt < Math.min(event?.at ?? Infinity, alarmAt)) {
        time = Math.max(time, cronAt)
        cron()
      } else if (event !== undefined && event.at <= alarmAt) {
        queue.shift()
        time = Math.max(time, event.at)
        event.action()
      } else {
        time = Math.max(time, alarmAt + (isFaulty() && random.chance(0.2) ? random.between(0, 60_000) : 0))
        wakeUp()
      }
    }
  }
  const databasesOf = ({ id }: SimulatedObject): string =>
    [...turso.databases.values()]
      .filter(
        ({ name, isForeign, owner }) => name.startsWith(`${id}-`) && !(isForeign && owner?.tenant !== id),
      )
      .map(({ name }) => name)
      .join()

  /** I2 in the directory: it says of every tenant what the tenant's object says. */
  function checkDirectory(): void {
    for (const { id, read, beside } of objects) {
      const record = read()
      const known = directory.rows.get(id)?.row
      const expected = record === undefined ? undefined : rowOf(record)
      if (JSON.stringify(known) !== JSON.stringify(expected))
        violated(`I2: the directory has ${JSON.stringify(known)} of ${JSON.stringify(expected)}`)
      if (record === undefined && beside.size > 0) violated(`I6: ${id} is forgotten and keeps its outbox`)
      if ([...beside.keys()].some((key) => key.startsWith('audit:')))
        violated(`I8: ${id} has rows of the audit left`)
    }
    const counts = [...directory.audit.values()].map(({ actor, repeats = 0 }) =>
      actor === CALLER.actor ? 1 + repeats : 0,
    )
    const asked = counts.reduce((sum, count) => sum + count, 0)
    if (asked !== deeds) violated(`I8: the audit knows ${asked} of ${deeds} deeds`)
  }

  runUntil(begin + FAULTY_MS + QUIET_MS)
  checkDirectory()
  for (const object of objects) {
    // I6: every signup has ended, and nothing is left of those that failed.
    const record = object.read()
    if (record === undefined) {
      if (databasesOf(object) !== '') violated(`I1: ${object.id} is forgotten and has ${databasesOf(object)}`)
      continue
    }
    const { status, orphans, databaseName, inFlight, purgeAt, suspension } = record
    if (status === 'provisioning') violated(`I6: ${object.id} is still provisioning`)
    if (inFlight !== null || orphans.length > 0) violated(`I6: ${object.id} is not done: ${object.storage}`)
    const expected = isReady(record) || purgeAt !== null ? databaseName : ''
    // I11: Turso has been told, and nothing is on its way that would undo it.
    if (expected !== '' && turso.databases.get(expected)?.isBlocked !== (suspension !== null))
      violated(`I11: ${object.id} is ${suspension === null ? 'blocked' : 'open'} at Turso: ${object.storage}`)
    if (databasesOf(object) !== expected)
      violated(`I1: ${object.id} is ${status} and has "${databasesOf(object)}"`)
    if (status === 'failed') {
      summary.failed += 1
      if (!turso.refused.has(databaseName) && !turso.databases.get(databaseName)?.isForeign)
        violated(`I6: ${object.id} failed, and Turso has refused nothing`)
    }
  }
  runUntil(begin + FORGETFUL_MS)
  checkDirectory()
  for (const object of objects) {
    const record = object.read()
    if (record !== undefined && !isReady(record))
      violated(`I6: ${object.id} is ${record.status} and not forgotten`)
    if (databasesOf(object) !== (record?.databaseName ?? ''))
      violated(`I1: ${object.id} has "${databasesOf(object)}" in the end`)
  }
  return summary
}

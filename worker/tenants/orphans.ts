/** What an operator can do about a database that may be left. */
import { connect } from '../../src/index.ts'
import { readConfiguration } from '../configuration.ts'
import { answerWithin } from '../deadline.ts'
import { databaseHttpUrl, requireDatabase } from '../turso/database-url.ts'
import { deleteDatabase } from '../turso/verified.ts'
import type { AuditAction } from '../directory/audit.ts'
import { addToAudit } from '../directory/audit-log.ts'
import { look } from '../directory/look.ts'
import { dropOrphan, findOrphan, ignoreOrphan, type OrphanRow } from '../directory/orphans.ts'
import { MIGRATION_TIMEOUT_MS, MIGRATION_TOKEN_EXPIRATION, OBJECT_CALL_MS } from '../limits.ts'
import { Problem } from '../http/problem.ts'
import type { RemovalQuery } from '../directory/queries.ts'
import { describeFailure, mayPass } from '../saga/failure.ts'
import { readMarks, type Marks, type Owner } from '../schema/owner.ts'
import { performerFor } from '../saga/performer.ts'
import type { Call } from './operations.ts'

/**
 * What a tenant deletes is deleted by its object, which is told to do so at once. What nobody knows is deleted here, if
 * its own mark does not say that somebody has it, and it does not look like somebody else's.
 *
 * @param insistence what the operator was told, and says again
 */
export async function removeOrphan(
  call: Call,
  database: string,
  insistence: RemovalQuery,
): Promise<{ database: string; outcome: 'hurried' | 'deleted' | 'gone' }> {
  const { env, caller } = call
  const orphan = await find(call, database)
  // Unless the directory is behind, and the tenant knows nothing of it any more.
  if (orphan.tenant !== null) {
    const isHurried = env.TENANTS.getByName(orphan.tenant).hurryOrphan(database, caller)
    if (await answerWithin(OBJECT_CALL_MS, isHurried)) return { database, outcome: 'hurried' }
  }
  const hostname = await hostnameOf(env, database)
  if (hostname === null) await note(call, 'delete_orphan', database, null)
  else {
    const { owner, copyOf, hasTables } = await marksOf(env, database, hostname)
    if (owner !== null) await refuseOwned(env, owner, insistence.owner)
    else if (copyOf.length > 0) refuseCopy(database, copyOf, insistence.copy_of)
    else if (hasTables && insistence.unmarked !== 'true') throw unmarked(database)
    // Before the deletion: what was deleted without a row would have been deleted by nobody.
    await note(call, 'delete_orphan', database, owner?.tenant ?? null)
    await attempt(() => deleteDatabase(databasesFor(env), database), 'missing')
  }
  await look(call, (directory) => dropOrphan(directory, database))
  return { database, outcome: hostname === null ? 'gone' : 'deleted' }
}

/** Somebody else's: it is not shown any more, unless it is asked for. */
export async function ignore(call: Call, database: string): Promise<OrphanRow> {
  const { tenant } = await find(call, database)
  if (tenant !== null) throw new Problem('database_in_use', `The tenant "${tenant}" deletes "${database}"`)
  await note(call, 'ignore_orphan', database, null)
  await look(call, (directory) => ignoreOrphan(directory, database, Date.now()))
  return await find(call, database)
}

const databasesFor = (env: Env) => performerFor(env, undefined, true).databases

/** What was found without a tenant may be that of a signup under way, until its grace is over. */
async function find(call: Call, database: string): Promise<OrphanRow> {
  const orphan = await look(call, (directory) => findOrphan(directory, database, Date.now()))
  if (orphan === null) throw new Problem('not_found', `There is no orphan "${database}"`)
  return orphan
}

async function refuseOwned(env: Env, { database, tenant }: Owner, named: string | undefined): Promise<void> {
  const object = env.TENANTS.getByName(tenant)
  if (await answerWithin(OBJECT_CALL_MS, object.has(database))) {
    // The directory should have known.
    await object.wake()
    throw new Problem('database_in_use', `It is the database of the tenant "${tenant}"`)
  }
  if (named === tenant) return
  throw new Problem(
    'orphan_has_owner',
    `It is marked as the database of a tenant "${tenant}", which is not, or no longer, one of this Worker; another ` +
      `deployment may have it. If it is to be deleted all the same, repeat the request with ?owner=${encodeURIComponent(tenant)}`,
    { members: { owner: tenant } },
  )
}

async function hostnameOf(env: Env, database: string): Promise<string | null> {
  const { databaseUrlTemplate } = readConfiguration(env)
  const found = await attempt(
    async () => requireDatabase(databaseUrlTemplate, database, await databasesFor(env).retrieve(database)),
    'missing',
  )
  return found?.hostname ?? null
}

const unmarked = (database: string): Problem =>
  new Problem(
    'orphan_unmarked',
    `"${database}" has tables, and no mark of this Worker: perhaps it only has a name like ours. If it is to be deleted all ` +
      'the same, repeat the request with ?unmarked=true',
  )

function refuseCopy(database: string, copyOf: string[], named: string | undefined): void {
  if (named !== undefined && copyOf.includes(named)) return
  throw new Problem(
    'orphan_is_copy',
    `"${database}" is a copy of "${copyOf.join('", "')}", with what was in it then: perhaps somebody keeps it. If it is to be ` +
      `deleted all the same, repeat the request with ?copy_of=${encodeURIComponent(copyOf[0]!)}`,
    { members: { copy_of: copyOf } },
  )
}

async function marksOf(env: Env, name: string, hostname: string): Promise<Marks> {
  const { databaseUrlTemplate } = readConfiguration(env)
  const mark = await attempt(async () => {
    const authToken = await databasesFor(env).createToken(name, {
      expiration: MIGRATION_TOKEN_EXPIRATION,
      authorization: 'read-only',
    })
    const url = databaseHttpUrl(databaseUrlTemplate, { name, hostname })
    const database = connect({ url, authToken, timeoutMs: MIGRATION_TIMEOUT_MS, retry: false })
    return await readMarks(database, name)
  })
  // Nothing was expected to be missing.
  return mark!
}

/** @throws {Problem} for all that Turso does but what is expected, which gives `undefined` */
async function attempt<T>(action: () => Promise<T>, expected?: 'missing'): Promise<T | undefined> {
  try {
    return await action()
  } catch (error) {
    const failure = describeFailure(error)
    if (failure.reason === expected) return undefined
    throw new Problem(mayPass(failure) ? 'upstream_unavailable' : 'upstream_refused', failure.detail)
  }
}

const note = (call: Call, action: AuditAction, database: string, tenant: string | null): Promise<void> =>
  look(call, (directory) =>
    addToAudit(directory, { ...call.caller, action, outcome: 'accepted' }, { tenant, database }),
  )

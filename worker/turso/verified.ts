/** What Turso's answer alone is not believed of, since it cannot be told from one that means nothing. */
import { isTursoError, type Databases } from '../../src/index.ts'
import { saysMissing } from './refusals.ts'

/** @throws as `delete` does, and when the database is still there after it, so that there is something to delete */
export async function deleteDatabase(databases: Databases, name: string): Promise<void> {
  let absence: unknown
  await databases.delete(name).catch((error: unknown) => {
    if (!saysMissing(error)) throw error
    absence = error
  })
  try {
    await databases.retrieve(name)
  } catch (error) {
    if (!isTursoError(error, 'not_found')) throw error
    if (absence !== undefined) throw absence
    return
  }
  throw new Error(`Turso has answered the deletion of "${name}", which is still there`)
}

/** Closes the database for reads and writes, or opens it. */
export async function blockDatabase(databases: Databases, name: string, isBlocked: boolean): Promise<void> {
  const { raw } = await databases.update(name, { blockReads: isBlocked, blockWrites: isBlocked })
  if (raw['block_reads'] === isBlocked && raw['block_writes'] === isBlocked) return
  const { blockReads, blockWrites } = await databases.configuration(name)
  if (blockReads !== isBlocked || blockWrites !== isBlocked)
    throw new Error(`Turso has answered, and "${name}" is not ${isBlocked ? 'blocked' : 'open'}`)
}

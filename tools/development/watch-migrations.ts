import { watch } from 'node:fs'
import { bundleMigrations, REPOSITORY_MIGRATIONS } from '../bundle-migrations.ts'

const SETTLE_MS = 100

/**
 * Bundles the migrations anew whenever one changes; wrangler then reloads the Worker, since a module of it changed.
 * A broken one is reported, and the Worker keeps what it had.
 */
export function watchMigrations(onProblem: (message: string) => void): void {
  let settling: NodeJS.Timeout | undefined
  watch(REPOSITORY_MIGRATIONS.from, () => {
    clearTimeout(settling)
    settling = setTimeout(() => {
      bundleMigrations(REPOSITORY_MIGRATIONS).catch((error: unknown) => {
        onProblem(error instanceof Error ? error.message : String(error))
      })
    }, SETTLE_MS)
  })
}

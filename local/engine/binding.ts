/** The `libsql` package. Whoever only uses the client does not need it, so it is looked for when the first database is opened. */
import { createRequire } from 'node:module'
import type Database from 'libsql'

/** The package `libsql` is not there or does not work. The message says what to do. */
export class LibsqlMissingError extends Error {
  override name = 'LibsqlMissingError'
}

let binding: typeof Database | undefined

/** The binding. Throws `LibsqlMissingError`. */
export function loadBinding(): typeof Database {
  if (binding) return binding
  try {
    // The package is CommonJS, and what opens a database is synchronous.
    return (binding = createRequire(import.meta.url)('libsql') as typeof Database)
  } catch (error) {
    const [reason] = (error as Error).message.split('\n')
    throw new LibsqlMissingError(
      `the local Turso needs the package "libsql": npm install --save-dev libsql@0.5.29 (${reason})`,
      { cause: error },
    )
  }
}

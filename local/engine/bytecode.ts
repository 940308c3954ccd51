/** What the program of a statement says, as EXPLAIN prints it. Source: https://www.sqlite.org/opcode.html */
import type { EngineValue } from './values.ts'

type Program = readonly EngineValue[][]

/** Whether it looks at the database file. */
export function readsDatabase(program: Program): boolean {
  return program.some(([, opcode]) => opcode === 'Transaction')
}

/** What sqlite3_stmt_readonly() says of it: resolveP2Values() in libsql-sqlite3/src/vdbeaux.c. */
export function isReadonlyProgram(program: Program): boolean {
  return !program.some(
    ([, opcode, , mode]) =>
      (opcode === 'Transaction' && mode !== 0n) ||
      opcode === 'Vacuum' ||
      opcode === 'JournalMode' ||
      opcode === 'Checkpoint',
  )
}

/**
 * EXPLAIN prints the constants of a program as they are, and a text that is not UTF-8 ends the process in the binding.
 * An EXPLAIN cannot be rewritten as other queries are (`exact-rows.ts`), so what could print one is not explained. All
 * constants are from the statement or the schema; those that can be no UTF-8 are blobs, and the upper bound of a LIKE or
 * GLOB, which is its prefix with the last byte plus one (`isLikeOrGlob` in libsql-sqlite3/src/whereexpr.c).
 */
import { tokenize } from './sql-tokens.ts'

/** Whether everything that EXPLAIN prints for this statement is UTF-8. `schema`: the SQL of all that exists. */
export function isExplainable(sql: string, schema: Uint8Array | null): boolean {
  const schemaSql = schema === null ? '' : decode(schema)
  return schemaSql !== undefined && hasOnlyUtf8(sql) && hasOnlyUtf8(schemaSql)
}

function hasOnlyUtf8(sql: string): boolean {
  // The bytes that are the last of a character, and that plus one are not.
  if (Buffer.from(sql).some((byte) => byte === 0x7f || byte === 0xbf)) return false
  return tokenize(sql).every(({ kind, text }, index, tokens) => {
    const quoted = tokens[index + 1]
    if (kind !== 'word' || !/^x$/i.test(text) || !quoted?.text.startsWith("'")) return true
    return decode(Buffer.from(quoted.text.slice(1, -1), 'hex')) !== undefined
  })
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

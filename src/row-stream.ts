/** The rows of a statement one by one, while they arrive. */
import { readCursor } from './hrana/cursor.ts'
import type { Args, Statement } from './hrana/statement.ts'
import type { Target } from './hrana/target.ts'
import { readArguments, resolveCall, type QueryDefaults, type QueryOptions } from './queries.ts'
import { validateRows } from './schema.ts'

/** To be looped over once with `for await`. */
export interface RowStream<Row> extends AsyncGenerator<Row, void, undefined> {
  /** The column names in order, duplicates kept; filled in before the first row, or the end of a stream without any. */
  readonly columns: readonly string[]
}

export function streamRows(
  target: Target,
  defaults: QueryDefaults,
  statement: Statement,
  argsOrOptions: Args | QueryOptions | undefined,
  lastOptions: QueryOptions | undefined,
): RowStream<unknown> {
  const { encoded, options } = readArguments(statement, argsOrOptions, lastOptions)
  const columns: string[] = []

  async function* readRows(): AsyncGenerator<unknown, void, undefined> {
    let index = 0
    for await (const rows of readCursor(target, encoded, resolveCall(options, defaults), columns)) {
      const checked = options?.schema ? await validateRows(options.schema, rows, index) : rows
      // Not yield*, which would hand throw() on to the array.
      for (const row of checked) yield row
      index += rows.length
    }
  }

  return Object.assign(readRows(), { columns })
}

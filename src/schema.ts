/** Rows checked, and given their types, by a validator of the caller's. */
import { RowError, type RowIssue } from './errors.ts'

/**
 * A validator such as those of zod, valibot and arktype.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly RowIssue[] }

/** @throws {RowError} for a row that the schema refuses; what the validator itself throws */
export async function validateRows<Output>(
  schema: StandardSchema<Output>,
  rows: readonly unknown[],
  firstIndex = 0,
): Promise<Output[]> {
  const validated: Output[] = []
  for (const row of rows) {
    const checked = schema['~standard'].validate(row)
    // Most validators are synchronous, and waiting a turn for each of many rows is not free.
    const result = 'then' in checked ? await checked : checked
    if (result.issues) throw refuse(firstIndex + validated.length, result.issues)
    validated.push(result.value)
  }
  return validated
}

function refuse(rowIndex: number, issues: readonly RowIssue[]): RowError {
  const reasons = issues.map(({ message, path = [] }) => {
    const place = path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.')
    return place ? `${place}: ${message}` : message
  })
  return new RowError(`Row ${rowIndex} does not match the schema: ${reasons.join('; ')}`, rowIndex, issues)
}

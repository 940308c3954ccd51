/** Decoded values in one form, so that the clients' can be compared. Runs in workerd, too. */

/** Bytes as base64, so that a table of cells is JSON. */
export type Cell = null | string | number | { base64: string }

/** One form for what clients have several of: `ArrayBuffer`, `Buffer` and `Uint8Array`; `bigint` and `number`. */
export function toCell(value: unknown): Cell {
  if (value instanceof Uint8Array) return { base64: encodeBase64(value) }
  if (value instanceof ArrayBuffer) return { base64: encodeBase64(new Uint8Array(value)) }
  if (typeof value === 'bigint') return Number(value)
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  throw new TypeError(`a value of type ${typeof value} in a row`)
}

function encodeBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let start = 0; start < bytes.length; start += 8_192)
    binary += String.fromCharCode(...bytes.subarray(start, start + 8_192))
  return btoa(binary)
}

/** Throws an error that names the first cell that differs. */
export function compareCells(what: string, actual: Cell[][], expected: Cell[][]): void {
  const show = (value: unknown) => JSON.stringify(value)?.slice(0, 100)
  if (actual.length !== expected.length)
    throw new Error(`${what}: ${actual.length} rows, not ${expected.length}`)
  for (const [row, cells] of expected.entries())
    for (let column = 0; column < Math.max(cells.length, actual[row]!.length); column++)
      if (JSON.stringify(actual[row]![column]) !== JSON.stringify(cells[column]))
        throw new Error(
          `${what}: row ${row}, column ${column} is ${show(actual[row]![column])}, not ${show(cells[column])}`,
        )
}

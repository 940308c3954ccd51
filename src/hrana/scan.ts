/**
 * Rows in the compact JSON that servers send → values, without `JSON.parse`. A pattern proves that a row is valid JSON of
 * just that shape; what is proven can then be read by position, without a look at every character.
 */
import { decodeBase64 } from '../base64.ts'
import type { DecodeOptions, ObjectRow } from './result.ts'
import type { SqlValue } from './value.ts'

/** Whole rows as they stand in the JSON, with commas between them: the first `characters` of `text`. */
export interface RowsPiece {
  text: string
  characters: number
}

/**
 * A string that is cut out of another keeps all of it in memory (in V8, from 13 characters on). So rows are read from
 * copies of this many characters, and a value that outlives its result holds one of them at most, not the whole body.
 * Twice as many take V8 more than twice as long, as soon as one is beyond Latin-1.
 */
const PIECE_CHARACTERS = 0x8000

/** Of a piece with fewer, the rows are so long that `JSON.parse`, which takes long values in strides, is faster. */
const MIN_ROWS = 64

/** Likewise of a single row. */
const LONG_ROW_CHARACTERS = 0x800

const TEXT = String.raw`[^"\\\0-\x1f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\0-\x1f]*)*`
const FLOAT = String.raw`null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?`
const VALUE = String.raw`\{"type":(?:"null"|"integer","value":"-?\d+"|"text","value":"${TEXT}"|"float","value":(?:${FLOAT})|"blob","base64":"[A-Za-z0-9+/]*={0,2}")\}`
const ROW = String.raw`\[(?:${VALUE}(?:,${VALUE})*)?\]`
const NEXT_ROW = new RegExp(ROW, 'y')
const ENTRY = new RegExp(String.raw`^\{"type":"row","row":(${ROW})\}$`)

const COMMA = 44
const BACKSLASH = 92
const OPENING_BRACE = 123
const CLOSING_BRACKET = 93

/**
 * Takes an array of rows to pieces, the first row being at `start`, as far as they are short and of the shape.
 *
 * @returns where the last of them ends, which is `start` when there is none; `undefined` when the array is not JSON
 */
export function cutRows(text: string, start: number, pieces: RowsPiece[]): number | undefined {
  for (let from = start; ; from++) {
    const piece = text.slice(from, from + PIECE_CHARACTERS)
    const bracket = piece.indexOf(']')
    let rows = 0
    let characters = 0
    NEXT_ROW.lastIndex = 0
    // The pattern would find out more slowly that the first row is a long one.
    while (bracket >= 0 && bracket < LONG_ROW_CHARACTERS && NEXT_ROW.test(piece)) {
      rows++
      characters = NEXT_ROW.lastIndex
      if (piece.charCodeAt(characters) !== COMMA) break
      NEXT_ROW.lastIndex++
    }
    // Asked of the text, since the piece may end with the row.
    const next = text.charCodeAt(from + characters)
    const isLast = next === CLOSING_BRACKET
    if (rows === 0 || (rows < MIN_ROWS && !isLast)) return from - (pieces.length && 1)
    if (next !== COMMA && !isLast) return undefined
    // Only a join copies, and only when there is something to join: what `slice` returns is a view.
    pieces.push({ text: [piece.slice(0, characters), ' '].join(''), characters })
    from += characters
    if (isLast) return from
  }
}

/** @returns the row of a cursor's entry; `undefined` when it is of another shape, or long */
export function cutEntry(line: string): RowsPiece | undefined {
  const row = line.length <= LONG_ROW_CHARACTERS && ENTRY.exec(line)
  return row ? { text: row[1]!, characters: row[1]!.length } : undefined
}

/**
 * @returns `undefined` when a row has more or fewer values than columns, when an integer is too large for a number, and
 *   for a column `__proto__`: then the JSON decides
 * @throws {SyntaxError} what {@link decodeBase64} throws
 */
export function readRows(
  { text, characters }: RowsPiece,
  columns: readonly string[],
  { rowMode, intMode = 'number' }: DecodeOptions,
): (ObjectRow | SqlValue[])[] | undefined {
  const isArray = rowMode === 'array'
  const keys = isArray ? columns.map((_, index) => index) : columns
  if (!isArray && columns.includes('__proto__')) return undefined
  const rows: (ObjectRow | SqlValue[])[] = []
  // Where to look for the next one from; escapes stand in texts alone. Not by `indexOf`, which V8 would ask again for
  // each row, as it has no effect.
  let backslash = text.includes('\\') ? 0 : -1
  // `at` is always at the `[` of a row or at what follows a value.
  for (let at = 0; at < characters; at += 2) {
    const row = (isArray ? [] : {}) as ObjectRow
    for (const key of keys) {
      if (text.charCodeAt(++at) !== OPENING_BRACE) return undefined
      let value: SqlValue = null
      let end: number
      switch (text.charCodeAt(at + 9)) {
        case 105:
          // {"type":"integer","value":"
          at += 27
          if (intMode === 'number') {
            const isNegative = text.charCodeAt(at) === 45
            let number = 0
            let code
            for (end = isNegative ? at + 1 : at; (code = text.charCodeAt(end)) !== 34; end++)
              number = number * 10 + (code - 48)
            // What is larger was rounded on the way, to something larger still.
            if (number > Number.MAX_SAFE_INTEGER) return undefined
            value = isNegative ? -number : number
          } else {
            end = text.indexOf('"', at)
            const digits = text.slice(at, end)
            value = intMode === 'string' ? digits : BigInt(digits)
          }
          at = end + 2
          break
        case 116:
          // {"type":"text","value":"
          at += 24
          end = text.indexOf('"', at)
          if (backslash >= 0 && backslash < at) backslash = text.indexOf('\\', at)
          if (backslash < 0 || end < backslash) value = text.slice(at, end)
          else {
            while (isEscaped(text, end)) end = text.indexOf('"', end + 1)
            value = JSON.parse(text.slice(at - 1, end + 1)) as string
          }
          at = end + 2
          break
        case 102: {
          // {"type":"float","value":
          at += 24
          end = text.indexOf('}', at)
          const number = text.slice(at, end)
          value = number === 'null' ? Number.NaN : Number(number)
          at = end + 1
          break
        }
        case 98:
          // {"type":"blob","base64":"
          at += 25
          end = text.indexOf('"', at)
          value = decodeBase64(text, at, end)
          at = end + 2
          break
        default:
          // {"type":"null"}
          at += 15
      }
      ;(row as Record<string | number, SqlValue>)[key] = value
    }
    if (keys.length === 0) at++
    if (text.charCodeAt(at) !== CLOSING_BRACKET) return undefined
    rows.push(row)
  }
  return rows
}

/** Whether an odd number of backslashes is before it. */
function isEscaped(text: string, at: number): boolean {
  let start = at
  while (text.charCodeAt(start - 1) === BACKSLASH) start--
  return (at - start) % 2 === 1
}

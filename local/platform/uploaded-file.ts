/** What the file of an uploaded database must be like. Source: https://docs.turso.tech/api-reference/databases/upload */
import { isUtf8 } from 'node:buffer'
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { openConnection } from '../engine/engine.ts'
import type { EngineValue } from '../engine/values.ts'
import { HttpFailure } from '../errors.ts'

/** Throws `HttpFailure` 400 for a file that is no database, is damaged, or has other settings than it must have. */
export function checkUploadedFile(file: string): void {
  checkHeader(file)
  checkContent(file)
}

/** Source: https://sqlite.org/fileformat2.html#the_database_header */
function checkHeader(file: string): void {
  const header = readHeader(file)
  const { size } = statSync(file)
  if (size < HEADER_BYTES || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw invalid('it is not an SQLite database')
  }
  if (header.readUInt16BE(16) !== PAGE_BYTES) throw invalid(`the page size must be ${PAGE_BYTES}`)
  if (header[18] !== WAL_VERSION || header[19] !== WAL_VERSION) throw invalid('the journal mode must be WAL')
  if (header[20] !== 0) throw invalid('there must be no reserved bytes')
  if (header.readUInt32BE(52) !== 0) throw invalid('auto_vacuum must be 0')
  if (header.readUInt32BE(56) !== UTF8) throw invalid('the encoding must be UTF-8')
  if (size % PAGE_BYTES !== 0) throw invalid('it ends within a page')
}

const HEADER_BYTES = 100
const PAGE_BYTES = 4096
const WAL_VERSION = 2
const UTF8 = 1

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header, 0, HEADER_BYTES, 0)
    return header
  } finally {
    closeSync(descriptor)
  }
}

/** The binding ends the process over a name that is not UTF-8, so everything is read as blobs. */
function checkContent(file: string): void {
  let answer: EngineValue | undefined
  let schema: EngineValue[][] = []
  try {
    const connection = openConnection(file)
    try {
      answer = connection.query('select cast(quick_check as blob) from pragma_quick_check limit 1')[0]?.[0]
      schema = connection.query(
        'select cast(type as blob), cast(name as blob), cast(tbl_name as blob), cast(sql as blob) from sqlite_schema',
      )
    } finally {
      connection.close()
    }
  } catch {
    throw invalid('it is damaged')
  }
  if (!(answer instanceof Uint8Array) || Buffer.from(answer).toString() !== 'ok')
    throw invalid('it is damaged')
  const isText = (value: EngineValue) => !(value instanceof Uint8Array) || isUtf8(value)
  if (!schema.flat().every(isText)) throw invalid('its schema is not UTF-8')
}

function invalid(reason: string): HttpFailure {
  return new HttpFailure(400, `invalid database file: ${reason}`)
}

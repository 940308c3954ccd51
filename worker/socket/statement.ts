/**
 * Statements and batches of a client, checked so far that a database takes the request that holds them: a pipeline with
 * one malformed value in it is refused as a whole, and with it goes its stream. Values stay as they were written. Pure.
 */
import { MalformedRequestError, type JsonReader } from './json-reader.ts'

/** JSON in pieces; a number stands for the stored SQL text of that id, which belongs there. */
export type Template = (string | number)[]

const INT32 = 2 ** 31

export function readInt32(json: string | undefined, name: string): number {
  return readInteger(json, -INT32, INT32 - 1, (rule) => malformed(name, rule))
}

export function readUint32(json: string | undefined, name: string): number {
  return readInteger(json, 0, 2 * INT32 - 1, (rule) => malformed(name, rule))
}

type Refuse = (rule: string) => MalformedRequestError

function readInteger(json: string | undefined, least: number, most: number, refuse: Refuse): number {
  const isShort = json !== undefined && json.length <= MAX_INT32_CHARACTERS
  const value = isShort && /^-?\d+$/.test(json) ? Number(json) : Number.NaN
  if (!(value >= least && value <= most)) throw refuse(`must be an integer from ${least} to ${most}`)
  return value
}

const MAX_INT32_CHARACTERS = 11

/** The text of a statement, or the id of a stored one, of which exactly one must be there. */
export function readSql(sql: string | undefined, sqlId: string | undefined, name: string): string | number {
  const hasText = isGiven(sql)
  if (hasText === isGiven(sqlId)) throw malformed(name, EITHER_SQL)
  return hasText ? readText(sql, `${name}.sql`) : readInt32(sqlId, `${name}.sql_id`)
}

const EITHER_SQL = 'must have either "sql" or "sql_id"'

/** @returns the string as it was written, with its quotes */
export function readText(json: string | undefined, name: string): string {
  return checkText(json, (rule) => malformed(name, rule))
}

function checkText(json: string | undefined, refuse: Refuse): string {
  if (json?.startsWith('"') !== true) throw refuse('must be a string')
  // Half of a surrogate pair is JSON, and yet no text that a database can store.
  if (/\\u[dD][89a-fA-F]/.test(json) && !(JSON.parse(json) as string).isWellFormed())
    throw refuse('holds half of a surrogate pair')
  return json
}

export function readStatement(reader: JsonReader): Template {
  const { add, end } = createTemplate()
  writeStatement(reader, add)
  return end()
}

/** @param version 2 or 3; conditions on the transaction came with 3 */
export function readBatch(reader: JsonReader, version: number): Template {
  const { add, end } = createTemplate()
  let hasSteps = false
  add('{"steps":[')
  reader.object(['steps'], () => {
    hasSteps = true
    reader.array((step) => {
      let hasStatement = false
      add(step === 0 ? '{' : ',{')
      reader.object(['condition', 'stmt'], (name) => {
        if (name === 'condition') {
          const condition = reader.written(() => checkCondition(reader, step, version))
          add(hasStatement ? ',"condition":' : '"condition":')
          add(hasStatement ? condition : `${condition},`)
        } else {
          hasStatement = true
          add('"stmt":')
          writeStatement(reader, add)
        }
      })
      if (!hasStatement) throw reader.malformed('must be an object', 'stmt')
      add('}')
    })
  })
  if (!hasSteps) throw reader.malformed('must be an array', 'steps')
  add(']}')
  return end()
}

type Add = (piece: string | number) => void

/** Pieces as they come, in few: a million short ones take more memory than their text. None is a part of what was read. */
function createTemplate(): { add: Add; end: () => Template } {
  const template: Template = []
  let run: string[] = []
  const close = (): void => {
    if (run.length > 0) template.push(run.join(''))
    run = []
  }
  return {
    add(piece) {
      if (typeof piece === 'string') run.push(piece)
      if (typeof piece === 'number' || run.length === MAX_RUN) close()
      if (typeof piece === 'number') template.push(piece)
    },
    end() {
      close()
      return template
    },
  }
}

const MAX_RUN = 4_096

function writeStatement(reader: JsonReader, add: Add): void {
  let sql: string | undefined
  let sqlId: number | undefined
  let rest = ''
  reader.object(['sql', 'sql_id', 'args', 'named_args', 'want_rows'], (name) => {
    if (name === 'sql') sql = checkText(reader.raw(), reader.malformed)
    else if (name === 'sql_id') sqlId = readInteger(reader.raw(), -INT32, INT32 - 1, reader.malformed)
    else rest += `,"${name}":${reader.written(() => checkOption(reader, name))}`
  })
  if ((sql === undefined) === (sqlId === undefined)) throw reader.malformed(EITHER_SQL)
  add('{"sql":')
  add(sql ?? sqlId!)
  add(`${rest}}`)
}

function checkOption(reader: JsonReader, name: 'args' | 'named_args' | 'want_rows'): void {
  if (name === 'args') reader.array(() => checkValue(reader))
  else if (name === 'named_args') reader.array(() => checkNamedArgument(reader))
  else if (!/^(?:true|false)$/.test(reader.raw())) throw reader.malformed('must be true or false')
}

function checkNamedArgument(reader: JsonReader): void {
  let hasName = false
  let hasValue = false
  reader.object(['name', 'value'], (member) => {
    if (member === 'name') {
      hasName = true
      checkText(reader.raw(), reader.malformed)
    } else {
      hasValue = true
      checkValue(reader)
    }
  })
  if (!hasName) throw reader.malformed('must be a string', 'name')
  if (!hasValue) throw reader.malformed('must be an object', 'value')
}

/** The step before which it is, and everything in it. */
function checkCondition(reader: JsonReader, step: number, version: number): void {
  let type: string | undefined
  const has = new Set<string>()
  reader.object(['type', 'step', 'cond', 'conds'], (name) => {
    has.add(name)
    if (name === 'type') type = reader.raw()
    else if (name === 'cond') checkCondition(reader, step, version)
    else if (name === 'conds') reader.array(() => checkCondition(reader, step, version))
    else if (readInteger(reader.raw(), 0, 2 * INT32 - 1, reader.malformed) >= step)
      throw reader.malformed('must be a step before this one')
  })
  switch (type) {
    case '"ok"':
    case '"error"':
      if (!has.has('step')) throw reader.malformed('must be a step before this one', 'step')
      return
    case '"not"':
      if (!has.has('cond')) throw reader.malformed('must be an object', 'cond')
      return
    case '"and"':
    case '"or"':
      if (!has.has('conds')) throw reader.malformed('must be an array', 'conds')
      return
    case '"is_autocommit"':
      if (version >= 3) return
      throw reader.malformed('can be "is_autocommit" only in hrana3')
    default:
      throw reader.malformed('is not known', 'type')
  }
}

const INTEGER = /^"-?\d{1,19}"$/
const BASE64 = /^"[A-Za-z0-9+/]*={0,2}"$/

function checkValue(reader: JsonReader): void {
  let type: string | undefined
  let value: string | undefined
  let base64: string | undefined
  reader.object(['type', 'value', 'base64'], (name) => {
    const json = reader.raw()
    if (name === 'type') type = json
    else if (name === 'value') value = json
    else base64 = json
  })
  switch (type) {
    case '"null"':
      return
    case '"integer"':
      if (value === undefined || !INTEGER.test(value) || !isInt64(value.slice(1, -1)))
        throw reader.malformed('must be an integer of 64 bits, in a string', 'value')
      return
    case '"float"':
      if (value === undefined || !isFinite(value)) throw reader.malformed('must be a finite number', 'value')
      return
    case '"text"':
      checkText(value, (rule) => reader.malformed(rule, 'value'))
      return
    case '"blob"':
      if (base64 === undefined || !BASE64.test(base64)) throw reader.malformed('must be base64', 'base64')
      return
    default:
      throw reader.malformed('is not known', 'type')
  }
}

/** No double has as many digits, and to read a million of them takes long. */
const MAX_FLOAT_CHARACTERS = 2_000

const isFinite = (json: string): boolean =>
  json.length <= MAX_FLOAT_CHARACTERS && /^[-\d]/.test(json) && Number.isFinite(Number(json))

const isInt64 = (digits: string): boolean => BigInt.asIntN(64, BigInt(digits)) === BigInt(digits)

/** A member that is null counts as one that is not there. */
const isGiven = (json: string | undefined): json is string => json !== undefined && json !== 'null'

const malformed = (name: string, rule: string): MalformedRequestError =>
  new MalformedRequestError(`"${name}" ${rule}`)

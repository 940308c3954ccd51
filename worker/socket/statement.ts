/**
 * Statements and batches of a client, checked so far that a database takes the request that holds them: a pipeline with
 * one malformed value in it is refused as a whole, and with it goes its stream. Values stay as they were written. Pure.
 */
import { elementsOf, sliceMembers } from '../hrana/envelope.ts'

/** JSON in pieces; a number stands for the stored SQL text of that id, which belongs there. */
export type Template = (string | number)[]

/** Something in a request is not as the protocol has it. The message names it, and says what it must be. */
export class MalformedRequestError extends Error {
  override readonly name = 'MalformedRequestError'
}

const INT32 = 2 ** 31

export function readInt32(json: string | undefined, name: string): number {
  return readInteger(json, name, -INT32, INT32 - 1)
}

export function readUint32(json: string | undefined, name: string): number {
  return readInteger(json, name, 0, 2 * INT32 - 1)
}

function readInteger(json: string | undefined, name: string, least: number, most: number): number {
  const value = json !== undefined && /^-?\d{1,10}$/.test(json) ? Number(json) : Number.NaN
  if (!(value >= least && value <= most)) throw malformed(name, `must be an integer from ${least} to ${most}`)
  return value
}

/** The text of a statement, or the id of a stored one, of which exactly one must be there. */
export function readSql(sql: string | undefined, sqlId: string | undefined, name: string): string | number {
  const hasText = isGiven(sql)
  if (hasText === isGiven(sqlId)) throw malformed(name, 'must have either "sql" or "sql_id"')
  return hasText ? readText(sql, `${name}.sql`) : readInt32(sqlId, `${name}.sql_id`)
}

/** @returns the string as it was written, with its quotes */
export function readText(json: string | undefined, name: string): string {
  if (json?.startsWith('"') !== true) throw malformed(name, 'must be a string')
  // Half of a surrogate pair is JSON, and yet no text that a database can store.
  if (/\\u[dD][89a-fA-F]/.test(json) && !(JSON.parse(json) as string).isWellFormed())
    throw malformed(name, 'holds half of a surrogate pair')
  return json
}

export function readStatement(json: string | undefined, name: string): Template {
  const members = sliceObject(json, name, ['sql', 'sql_id', 'args', 'named_args', 'want_rows'])
  const { args, named_args, want_rows } = members
  let rest = ''
  if (isGiven(args)) {
    for (const [index, value] of elements(args, `${name}.args`)) checkValue(value, `${name}.args[${index}]`)
    rest += `,"args":${args}`
  }
  if (isGiven(named_args)) {
    for (const [index, argument] of elements(named_args, `${name}.named_args`)) {
      const where = `${name}.named_args[${index}]`
      const { name: argumentName, value } = sliceObject(argument, where, ['name', 'value'])
      readText(argumentName, `${where}.name`)
      checkValue(value, `${where}.value`)
    }
    rest += `,"named_args":${named_args}`
  }
  if (isGiven(want_rows)) {
    if (want_rows !== 'true' && want_rows !== 'false')
      throw malformed(`${name}.want_rows`, 'must be true or false')
    rest += `,"want_rows":${want_rows}`
  }
  return ['{"sql":', readSql(members.sql, members.sql_id, name), `${rest}}`]
}

/** @param version 2 or 3; conditions on the transaction came with 3 */
export function readBatch(json: string | undefined, name: string, version: number): Template {
  const { steps } = sliceObject(json, name, ['steps'])
  const batch: Template = ['{"steps":[']
  for (const [index, step] of elements(steps, `${name}.steps`)) {
    const where = `${name}.steps[${index}]`
    const { condition, stmt } = sliceObject(step, where, ['condition', 'stmt'])
    batch.push(index === 0 ? '{' : ',{')
    if (isGiven(condition)) {
      checkCondition(condition, `${where}.condition`, index, version)
      batch.push(`"condition":${condition},`)
    }
    batch.push('"stmt":', ...readStatement(stmt, `${where}.stmt`), '}')
  }
  batch.push(']}')
  return batch
}

function checkCondition(json: string | undefined, name: string, step: number, version: number): void {
  const members = sliceObject(json, name, ['type', 'step', 'cond', 'conds'])
  switch (members.type) {
    case '"ok"':
    case '"error"':
      if (readUint32(members.step, `${name}.step`) >= step)
        throw malformed(`${name}.step`, 'must be a step before this one')
      return
    case '"not"':
      return checkCondition(members.cond, `${name}.cond`, step, version)
    case '"and"':
    case '"or"':
      for (const [index, condition] of elements(members.conds, `${name}.conds`))
        checkCondition(condition, `${name}.conds[${index}]`, step, version)
      return
    case '"is_autocommit"':
      if (version >= 3) return
      throw malformed(name, 'can be "is_autocommit" only in hrana3')
    default:
      throw malformed(`${name}.type`, 'is not known')
  }
}

const INTEGER = /^"-?\d{1,19}"$/
const BASE64 = /^"[A-Za-z0-9+/]*={0,2}"$/

function checkValue(json: string | undefined, name: string): void {
  const { type, value, base64 } = sliceObject(json, name, ['type', 'value', 'base64'])
  switch (type) {
    case '"null"':
      return
    case '"integer"':
      if (value === undefined || !INTEGER.test(value) || !isInt64(value.slice(1, -1)))
        throw malformed(`${name}.value`, 'must be an integer of 64 bits, in a string')
      return
    case '"float"':
      if (value === undefined || !/^[-\d]/.test(value) || !Number.isFinite(Number(value)))
        throw malformed(`${name}.value`, 'must be a finite number')
      return
    case '"text"':
      readText(value, `${name}.value`)
      return
    case '"blob"':
      if (base64 === undefined || !BASE64.test(base64)) throw malformed(`${name}.base64`, 'must be base64')
      return
    default:
      throw malformed(`${name}.type`, 'is not known')
  }
}

const isInt64 = (digits: string): boolean => BigInt.asIntN(64, BigInt(digits)) === BigInt(digits)

/** A member that is null counts as one that is not there. */
const isGiven = (json: string | undefined): json is string => json !== undefined && json !== 'null'

function sliceObject<Name extends string>(
  json: string | undefined,
  name: string,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  if (json?.startsWith('{') !== true) throw malformed(name, 'must be an object')
  try {
    return sliceMembers(json, names)
  } catch {
    throw malformed(name, 'has a member twice')
  }
}

function* elements(json: string | undefined, name: string): Generator<[index: number, element: string]> {
  if (json?.startsWith('[') !== true) throw malformed(name, 'must be an array')
  let index = 0
  for (const element of elementsOf(json)) yield [index++, element]
}

const malformed = (name: string, rule: string): MalformedRequestError =>
  new MalformedRequestError(`"${name}" ${rule}`)
